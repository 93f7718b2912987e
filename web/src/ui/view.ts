// What a person sees: state in, elements out. The only file that decides what is on screen.

import encodeQR from "qr";

import type { App } from "../app.ts";
import { shown } from "../protocol/local_name.ts";
import type { Entry } from "../protocol/offer.ts";
import type { Item } from "../session/source.ts";
import type { Guest, Progress, Screen, State } from "../state.ts";
import { h, patch, type Child, type VNode } from "./dom.ts";
import { codeErrors, duration, failureText, linkErrors, size, words } from "./strings.ts";

type Of<T extends Screen["t"]> = Extract<Screen, { t: T }>;

/** Draws the state; called after every change. */
export function draw(root: Element, state: State, app: App): void {
  document.documentElement.dataset.theme = state.theme;
  document.title = title(state.screen);
  patch(root, [
    h("header", {}, h("a", { class: "brand", href: "/", onclick: (event: Event) => { event.preventDefault(); app.home(); } }, logo(), words.name)),
    h("main", { key: state.screen.t, class: state.isDragging ? "dragging" : "" }, screen(state, app)),
    footer(state, app),
    h("p", { class: "visually-hidden", "aria-live": "polite" }, spoken(state.screen)),
  ]);
}

function title(screen: Screen): string {
  const progress = "progress" in screen && (screen.t === "receiving" || screen.t === "sending") ? screen.progress : undefined;
  return progress && progress.total > 0 ? `${percent(progress)} % · ${words.name}` : words.name;
}

/** What a screen reader says: steps of ten percent, not every change. */
function spoken(screen: Screen): string {
  switch (screen.t) {
    case "receiving":
    case "sending":
      return words.percent(Math.floor(percent(screen.progress) / 10) * 10);
    case "joining":
      return words.steps[screen.step];
    case "failed":
      return failureText(screen.reason);
    case "received":
      return words.received;
    case "sent":
      return words.sent;
    default:
      return "";
  }
}

function screen(state: State, app: App): Child {
  const { screen: now } = state;
  switch (now.t) {
    case "home":
      return home(now, state, app);
    case "joining":
      return joining(now, app);
    case "password":
      return password(now, app);
    case "verify":
      return card(words.verifyTitle, question(now.digits, now.isAnswered, app));
    case "offer":
      return offer(now, app);
    case "receiving":
      return card(words.receivingFrom(shown(now.from)), running(now.progress, app, now.isSaving), details(words.stores[now.store]));
    case "received":
      return received(now, app);
    case "inbox":
      return card(words.inboxTitle(shown(now.to)), picker(state, app, false), buttons(
        button(words.inboxSend, () => app.sendToInbox(), "primary", state.items.length === 0),
        button(words.cancel, () => app.home()),
      ));
    case "sending":
      return card(words.sendingTo(shown(now.to)), running(now.progress, app, false));
    case "sent":
      return card(words.sent, check(), h("p", {}, words.sentText(now.progress.entryTotal, size(now.progress.total))), buttons(
        button(words.sendBack, () => app.home(), "primary"),
      ));
    case "share":
      return share(now, app);
    case "bad_link":
      return card(linkErrors[now.error], buttons(button(words.startOver, () => app.home(), "primary")));
    case "failed":
      return failed(now, app);
    case "unsupported":
      return card(words.unsupported);
  }
}

// ---- Home

function home(now: Of<"home">, state: State, app: App): Child {
  const { items } = state;
  return [
    h("section", { class: "card send" }, picker(state, app, true), items.length > 0 && options(state, app), items.length > 0 && buttons(
      button(words.createLink, () => void app.share(), "primary"),
      button(words.clear, () => app.clearItems()),
    )),
    items.length === 0 && h("section", { class: "card code-entry" }, h("form", {
      onsubmit: (event: SubmitEvent) => {
        event.preventDefault();
        app.enterCode(value(event, "code"));
      },
    },
      h("label", { for: "code" }, words.haveCode),
      h("div", { class: "row" },
        h("input", {
          id: "code", name: "code", class: "digits", inputmode: "numeric", autocomplete: "one-time-code", placeholder: "123 456",
          maxlength: 24, "aria-invalid": now.codeError ? "true" : "false", "aria-describedby": "code-error", spellcheck: "false",
          ...(now.nameplate === "" ? {} : { value: `${now.nameplate} `, autofocus: true }),
        }),
        button(words.receive, undefined, "primary"),
      ),
      h("p", { class: "error", id: "code-error", role: "alert" }, now.codeError ? codeErrors[now.codeError] : ""),
    )),
  ];
}

/** Where files come in: by drop, choice or paste; and what was chosen so far. */
function picker(state: State, app: App, isHome: boolean): Child {
  const files = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    app.addFiles(input.files ?? []);
    input.value = "";
  };
  const choose = (id: string, label: string, isFolder: boolean): VNode =>
    h("label", { class: "button", for: id }, label, h("input", {
      id, type: "file", class: "visually-hidden", multiple: true, ...(isFolder ? { webkitdirectory: true } : {}), onchange: files,
    }));
  const isEmpty = state.items.length === 0;
  return [
    h("div", { class: isEmpty ? "drop" : "drop slim" },
      isEmpty && h("h1", {}, isTouch() ? words.sendTitle : words.dropTitle),
      isEmpty && !isTouch() && h("p", { class: "quiet" }, words.dropHint),
      h("div", { class: "buttons" },
        choose("files", isEmpty ? words.chooseFiles : words.addMore, false),
        canChooseFolder() && choose("folder", words.chooseFolder, true),
      ),
      isEmpty && isHome && h("p", { class: "quiet small" }, words.tagline),
    ),
    !isEmpty && itemList(state.items, app),
  ];
}

/** Whether there is nothing to drop with. */
function isTouch(): boolean {
  return matchMedia("(hover: none) and (pointer: coarse)").matches;
}

function canChooseFolder(): boolean {
  return "webkitdirectory" in HTMLInputElement.prototype;
}

/** The chosen things by their top-level names. */
function itemList(items: readonly Item[], app: App): Child {
  const tops = new Map<string, { bytes: number; files: number; isFolder: boolean; isText: boolean }>();
  for (const item of items) {
    const top = item.path[0] ?? "";
    const sum = tops.get(top) ?? { bytes: 0, files: 0, isFolder: item.path.length > 1 || item.kind === "dir", isText: item.kind === "text" };
    sum.bytes += item.file?.size ?? 0;
    if (item.kind !== "dir") sum.files++;
    tops.set(top, sum);
  }
  const total = items.reduce((sum, item) => sum + (item.file?.size ?? 0), 0);
  return [
    h("h1", { class: "list-title" }, words.toSend, h("span", { class: "quiet" }, size(total))),
    h("ul", { class: "files" }, [...tops].map(([top, sum]) => {
      const name = sum.isText ? words.text : shown(top);
      return h("li", { key: top },
        icon(sum.isFolder ? "folder" : sum.isText ? "text" : "file"),
        h("span", { class: "name" }, name, sum.isFolder && "/"),
        h("span", { class: "quiet" }, size(sum.bytes)),
        h("button", { class: "plain", type: "button", "aria-label": words.remove(name), onclick: () => app.removeItem(top) }, "×"),
      );
    })),
  ];
}

function options({ settings }: State, app: App): Child {
  const check = (id: "many" | "verify", label: string, hint: string): VNode =>
    h("label", { class: "option" },
      h("input", { type: "checkbox", checked: settings[id], onchange: (event: Event) => app.set({ [id]: (event.target as HTMLInputElement).checked }) }),
      h("span", {}, label, h("span", { class: "quiet small block" }, hint)),
    );
  return h("details", {}, h("summary", {}, words.options),
    h("label", { class: "block", for: "share-password" }, words.password),
    h("input", {
      id: "share-password", type: "password", autocomplete: "new-password", placeholder: words.passwordHint, value: settings.password,
      oninput: (event: Event) => app.set({ password: (event.target as HTMLInputElement).value }),
    }),
    check("many", words.manyReceivers, words.manyHint),
    check("verify", words.verifyOption, words.verifyHint),
  );
}

// ---- Receive

function joining(now: Of<"joining">, app: App): Child {
  const steps = ["server", "pairing", "connecting"] as const;
  const at = steps.indexOf(now.step);
  return card(words.connecting,
    h("ol", { class: "steps" }, steps.map((step, i) =>
      h("li", { class: i < at ? "done" : i === at ? "now" : "", "aria-current": i === at ? "step" : undefined }, words.steps[step]))),
    buttons(button(words.cancel, () => app.home())),
  );
}

function password(now: Of<"password">, app: App): Child {
  const error = now.error ? words.passwordErrors[now.error] : now.wasWrong && !now.isBusy ? words.passwordWrong : "";
  return card(words.passwordTitle, h("form", {
    onsubmit: (event: SubmitEvent) => {
      event.preventDefault();
      app.givePassword(value(event, "password"));
    },
  },
    h("label", { for: "password" }, words.password),
    h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", autofocus: true, "aria-describedby": "password-error" }),
    h("p", { class: "error", id: "password-error", role: "alert" }, error),
    h("p", { class: "quiet small" }, words.attempts(now.attemptsLeft)),
    buttons(button(now.isBusy ? words.checking : words.continue, undefined, "primary", now.isBusy), button(words.cancel, () => app.home())),
  ));
}

function question(digits: string, isAnswered: boolean, app: App): Child {
  return [
    h("p", { class: "big digits" }, `${digits.slice(0, 3)} ${digits.slice(3)}`),
    h("p", { class: "quiet" }, isAnswered ? words.verifyWaiting : words.verifyText),
    !isAnswered && buttons(
      button(words.verifySame, () => app.answerNumber(true), "primary"),
      button(words.verifyOther, () => app.answerNumber(false)),
    ),
  ];
}

function offer(now: Of<"offer">, app: App): Child {
  const { entries, chosen } = now;
  const total = [...chosen].reduce((sum, id) => sum + (entries[id]?.size ?? 0), 0);
  const isTight = now.free !== undefined && now.free < total - now.saved;
  const isEmpty = entries.length === 0;
  const isStream = [...chosen].some((id) => entries[id]?.kind === "stream");
  const label = isStream ? words.download : now.saved > 0 ? words.resumeDownload(size(now.saved), size(total)) : `${words.download} · ${size(total)}`;
  return card(words.offerFrom(shown(now.from)),
    isEmpty && h("p", {}, words.nothing),
    entries.length > 1 && h("label", { class: "option all" },
      h("input", {
        type: "checkbox", checked: chosen.size === entries.length, indeterminate: chosen.size > 0 && chosen.size < entries.length,
        onchange: (event: Event) => app.choose("all", (event.target as HTMLInputElement).checked),
      }), words.all, h("span", { class: "quiet push" }, size(total))),
    h("ul", { class: "files" }, entries.slice(0, LIST_MAX).map((entry, id) => offered(entry, id, now, app))),
    entries.length > LIST_MAX && h("p", { class: "quiet" }, `+ ${entries.length - LIST_MAX}`),
    isTight && h("p", { class: "error" }, words.noRoom(size(now.free))),
    buttons(
      button(now.isBusy ? words.checkingSaved : label, () => app.accept(), "primary", now.isBusy || chosen.size === 0),
      button(words.decline, () => app.decline()),
    ),
    h("p", { class: "quiet small" }, words.stores[now.store]),
  );
}

function offered(entry: Entry, id: number, now: Of<"offer">, app: App): VNode {
  const name = entry.kind === "text" ? words.textEntry : shown(entry.path.join("/"));
  const label = [
    h("span", { class: "name" }, name, entry.kind === "dir" && "/"),
    h("span", { class: "quiet" }, entry.kind === "dir" ? words.folderEntry : entry.kind === "stream" ? words.streamEntry : size(entry.size)),
  ];
  if (now.entries.length === 1) return h("li", { key: id }, label);
  return h("li", { key: id }, h("label", { class: "option" },
    h("input", { type: "checkbox", checked: now.chosen.has(id), onchange: (event: Event) => app.choose(id, (event.target as HTMLInputElement).checked) }),
    label));
}

function received(now: Of<"received">, app: App): Child {
  const { files, texts, isArchive, skipped } = now.received;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return card(words.received, check(),
    files.length > 0 && h("p", {}, words.receivedText(files.length, size(total)), " ", words.saved),
    texts.map((text, i) => h("figure", { key: i, class: "text" },
      h("pre", { tabindex: 0 }, shownLines(text)),
      button(words.copy, () => void copy(text)))),
    skipped > 0 && h("p", { class: "error" }, words.skipped(skipped)),
    isArchive && files.length <= LIST_MAX && h("details", {}, h("summary", {}, words.details), h("ul", { class: "files" }, files.map((file) =>
      h("li", { key: file.id },
        h("span", { class: "name" }, shown(file.name)),
        h("span", { class: "quiet" }, size(file.size)),
        h("button", { class: "plain", type: "button", "aria-label": words.saveOne(shown(file.name)), onclick: () => app.save(file.id) }, "↓"))))),
    buttons(
      files.length > 0 && button(words.saveAgain, () => app.save("all"), "primary"),
      button(words.sendBack, () => app.home()),
    ),
  );
}

/** A text as it is, but for what would deceive; line breaks and tabs stay. */
function shownLines(text: string): string {
  return text.split(/\r?\n/).map((line) => line.split("\t").map(shown).join("\t")).join("\n");
}

// ---- Progress

function running(progress: Progress, app: App, isSaving: boolean): Child {
  return [
    bar(progress),
    h("p", { class: "numbers" }, isEndless(progress)
      ? h("strong", {}, size(progress.bytes))
      : [h("strong", {}, `${percent(progress)} %`), " ", h("span", {}, words.ofTotal(size(progress.bytes), size(progress.total)))]),
    h("p", { class: "quiet" }, isSaving ? words.saving : pace(progress)),
    badge(progress),
    buttons(
      button(progress.isPaused ? words.resume : words.pause, () => app.pause(!progress.isPaused), "primary"),
      button(words.cancel, () => app.home()),
    ),
  ];
}

function bar(progress: Progress): VNode {
  // A stream has no known end: the bar says only that something moves.
  if (isEndless(progress)) return h("progress", { key: "endless", "aria-label": size(progress.bytes) });
  const value = progress.total === 0 ? 1 : progress.bytes;
  return h("progress", { max: Math.max(1, progress.total), value, "aria-label": words.percent(percent(progress)) });
}

/** How fast it goes, or why it does not. */
function pace(progress: Progress): string {
  if (progress.isDisturbed) return words.reconnecting;
  if (progress.isPaused) return words.paused;
  const left = progress.total - progress.bytes;
  const parts = [words.perSecond(size(progress.speed))];
  if (progress.speed > 0 && left > 0) parts.push(words.timeLeft(duration(left / progress.speed)));
  if (progress.entryTotal > 1) parts.push(words.files(progress.entries, progress.entryTotal));
  return parts.join(" · ");
}

function badge({ path }: Progress): Child {
  if (!path) return h("p", { class: "badge-line" });
  const trip = path.roundTrip === undefined ? "" : ` · ${words.roundTrip(Math.max(1, Math.round(path.roundTrip)))}`;
  return h("p", { class: "badge-line" }, h("span", { class: `badge ${path.kind}` }, words.paths[path.kind]), h("span", { class: "quiet small" }, trip));
}

function isEndless(progress: Progress): boolean {
  return progress.total === 0 && progress.bytes > 0;
}

function percent(progress: Progress): number {
  return progress.total === 0 ? 100 : Math.floor((100 * progress.bytes) / progress.total);
}

// ---- Share

function share(now: Of<"share">, app: App): Child {
  const isReady = now.code !== "";
  const copyIt = (what: "link" | "code"): void => {
    const text = what === "link" ? now.link : now.code.replace(/ /g, "");
    void copy(text).then((isDone) => isDone && app.copied(what));
  };
  return [
    now.digits !== undefined && card(words.verifyTitle, question(now.digits, false, app)),
    card(words.shareTitle,
      h("p", { class: "quiet" }, words.shareText),
      !now.isOnline && h("p", { class: "error", role: "status" }, words.offline),
      h("div", { class: "invite" },
        h("div", {},
          h("h2", {}, words.code),
          h("p", { class: "big digits", "data-code": true }, isReady ? now.code : words.opening),
          h("h2", {}, words.link),
          h("p", { class: "link", "data-link": true }, now.link),
          buttons(
            button(now.copied === "link" ? words.copied : words.copyLink, () => copyIt("link"), "primary", !isReady),
            button(now.copied === "code" ? words.copied : words.copyCode, () => copyIt("code"), "", !isReady),
          ),
        ),
        isReady && qr(now.link),
      ),
      now.notice && h("p", { class: "error", role: "alert" }, now.notice.t === "wrong_code" ? words.wrongCode(now.notice.left) : words.wrongPassword(now.notice.left)),
      now.notice?.t === "wrong_password" && now.notice.left === 0 && buttons(button(words.unlock, () => app.unlockPassword())),
      h("h2", {}, words.receivers),
      now.guests.length === 0 ? h("p", { class: "quiet" }, words.noReceiver) : h("ul", { class: "guests" }, now.guests.map(guest)),
      h("p", { class: "quiet small" }, words.keepOpen),
      buttons(button(words.stopSharing, () => app.home())),
    ),
  ];
}

function guest(now: Guest): VNode {
  const state = {
    waiting: words.guestWaiting,
    moving: pace(now.progress),
    done: words.guestDone,
    failed: now.failure ? failureText(now.failure) : "",
  }[now.stage];
  return h("li", { key: now.id },
    h("p", { class: "row" }, h("strong", { class: "name" }, now.name === "" ? words.unnamed : shown(now.name)), h("span", { class: "quiet" }, `${now.stage === "waiting" || now.stage === "failed" ? 0 : percent(now.progress)} %`)),
    (now.stage === "moving" || now.stage === "done") && bar(now.progress),
    h("p", { class: now.stage === "failed" ? "error small" : "quiet small" }, state),
    now.stage === "moving" && badge(now.progress));
}

function qr(link: string): VNode {
  const rows = encodeQR(link, "raw", { ecc: "medium", border: 2 });
  const path = rows.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  const side = rows.length;
  return h("svg", { class: "qr", viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": words.qr, "shape-rendering": "crispEdges" }, h("path", { d: path }));
}

// ---- Ends

function failed(now: Of<"failed">, app: App): Child {
  const { reason } = now;
  const isGone = reason.t === "refused" && reason.code === "not_active";
  return card(failureText(reason),
    isGone && h("p", { class: "quiet" }, words.hintNotActive),
    (reason.t === "lost" || reason.t === "transfer") && h("p", { class: "quiet" }, words.kept),
    buttons(
      now.canRetry && button(words.tryAgain, () => app.retry(), "primary"),
      button(words.startOver, () => app.home(), now.canRetry ? "" : "primary"),
    ),
  );
}

// ---- Parts

function card(heading: string, ...children: readonly Child[]): VNode {
  return h("section", { class: "card" }, h("h1", { tabindex: -1 }, heading), ...children);
}

function button(label: string, onclick: (() => void) | undefined, kind = "", isDisabled = false): VNode {
  return h("button", { type: onclick ? "button" : "submit", class: `button ${kind}`.trim(), disabled: isDisabled, onclick }, label);
}

function buttons(...children: readonly Child[]): VNode {
  return h("div", { class: "buttons" }, ...children);
}

function details(text: string): VNode {
  return h("details", {}, h("summary", {}, words.details), h("p", { class: "quiet small" }, text));
}

function check(): VNode {
  return h("svg", { class: "check", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: "M4 12.5l5 5L20 6.5" }));
}

function icon(kind: "file" | "folder" | "text"): VNode {
  const path = {
    file: "M6 3h8l5 5v13H6zM14 3v5h5",
    folder: "M3 6h6l2 2.5h10V19H3z",
    text: "M5 6h14M5 11h14M5 16h9",
  }[kind];
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: path }));
}

function logo(): VNode {
  return h("svg", { class: "logo", viewBox: "0 0 64 64", "aria-hidden": "true" }, h("path", { d: "M14 25h33M38 15l10 10-10 10" }), h("path", { d: "M50 43H17M26 33L16 43l10 10", opacity: "0.65" }));
}

function footer(state: State, app: App): VNode {
  return h("footer", {},
    state.isInsecure && h("p", { class: "banner" }, words.insecure),
    h("p", { class: "quiet small" }, words.about),
    h("label", { class: "quiet small" }, `${words.theme} `, h("select", { onchange: (event: Event) => app.setTheme((event.target as HTMLSelectElement).value as State["theme"]) },
      (["auto", "light", "dark"] as const).map((theme) => h("option", { value: theme, selected: state.theme === theme }, words.themes[theme])))),
  );
}

function value(event: SubmitEvent, name: string): string {
  const field = new FormData(event.target as HTMLFormElement).get(name);
  return typeof field === "string" ? field : "";
}

/** Copies a text; on plain http only the old way is there. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without a secure context
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
}

/** How many entries are listed one by one. */
const LIST_MAX = 500;
