// From the link or code to what was received.

import type { App } from "../app.ts";
import { shown } from "../protocol/local_name.ts";
import type { Entry } from "../protocol/offer.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { button, buttons, card, copy, LIST_MAX, success, value, type Of } from "./parts.ts";
import { size, words } from "./strings.ts";

export function joining(now: Of<"joining">, app: App): Child {
  const steps = ["server", "pairing", "connecting"] as const;
  const at = steps.indexOf(now.step);
  return card(words.connecting,
    h("ol", { class: "steps" }, steps.map((step, i) =>
      h("li", { class: i < at ? "done" : i === at ? "now" : "", "aria-current": i === at ? "step" : undefined }, words.steps[step]))),
    buttons(button(words.cancel, () => app.home())),
  );
}

export function password(now: Of<"password">, app: App): Child {
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

export function question(digits: string, isAnswered: boolean, app: App, remember?: boolean): Child {
  return [
    h("p", { class: "big digits" }, `${digits.slice(0, 3)} ${digits.slice(3)}`),
    h("p", { class: "quiet" }, isAnswered ? words.verifyWaiting : words.verifyText),
    !isAnswered && remembering(remember, (wanted) => app.tickRemember(wanted)),
    !isAnswered && buttons(
      button(words.verifySame, () => app.answerNumber(true), "primary"),
      button(words.verifyOther, () => app.answerNumber(false)),
    ),
  ];
}

/** Whether the device that the number is of is to be remembered, where that can be. */
export function remembering(remember: boolean | undefined, tick: (wanted: boolean) => void): Child {
  if (remember === undefined) return undefined;
  return h("label", { class: "option" },
    h("input", { type: "checkbox", checked: remember, onchange: (event: Event) => tick((event.target as HTMLInputElement).checked) }),
    h("span", {}, words.remember));
}

export function offer(now: Of<"offer">, app: App): Child {
  const { entries, chosen } = now;
  const total = [...chosen].reduce((sum, id) => sum + (entries[id]?.size ?? 0), 0);
  const isTight = now.free !== undefined && now.free < total - now.saved;
  // A folder has the room that the browser has not.
  const isFolderBetter = isTight && now.canPickFolder;
  const isEmpty = entries.length === 0;
  const isStream = [...chosen].some((id) => entries[id]?.kind === "stream");
  const label = isStream ? words.download : now.saved > 0 ? words.resumeDownload(size(now.saved), size(total)) : `${words.download} · ${size(total)}`;
  return card(words.offerFrom(shown(now.from)),
    isEmpty && h("p", {}, words.nothing),
    entries.length > 1 && h("label", { class: "option all" },
      h("input", {
        type: "checkbox", checked: chosen.size === entries.length, indeterminate: chosen.size > 0 && chosen.size < entries.length,
        onchange: (event: Event) => app.choose("all", (event.target as HTMLInputElement).checked),
      }), words.all, h("span", { class: "quiet push" }, words.chosenOf(chosen.size, entries.length), " · ", size(total))),
    h("ul", { class: "files" }, entries.slice(0, LIST_MAX).map((entry, id) => offered(entry, id, now, app))),
    entries.length > LIST_MAX && h("p", { class: "quiet" }, `+ ${entries.length - LIST_MAX}`),
    isTight && h("p", { class: "error" }, words.noRoom(size(now.free))),
    buttons(
      button(now.isBusy ? words.checkingSaved : label, () => app.accept(false), isFolderBetter ? "" : "primary", now.isBusy || chosen.size === 0),
      now.canPickFolder && button(words.intoFolder, () => app.accept(true), isFolderBetter ? "primary" : "", now.isBusy || chosen.size === 0),
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

export function received(now: Of<"received">, app: App): Child {
  const { files, texts, isArchive, skipped } = now.received;
  const canSave = now.received.folder === undefined && !now.received.isStreamed;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return success(words.received,
    files.length > 0 && h("p", {}, words.receivedText(files.length, size(total)), " ", now.received.folder === undefined ? words.saved : words.savedIn(shown(now.received.folder))),
    texts.map((text, i) => h("figure", { key: i, class: "text" },
      h("pre", { tabindex: 0 }, shownLines(text)),
      button(words.copy, () => void copy(text)))),
    skipped > 0 && h("p", { class: "error" }, words.skipped(skipped)),
    isArchive && canSave && files.length <= LIST_MAX && h("details", {}, h("summary", {}, words.details), h("ul", { class: "files" }, files.map((file) =>
      h("li", { key: file.id },
        h("span", { class: "name" }, shown(file.name)),
        h("span", { class: "quiet" }, size(file.size)),
        h("button", { class: "plain", type: "button", "aria-label": words.saveOne(shown(file.name)), onclick: () => app.save(file.id) }, "↓"))))),
    buttons(
      files.length > 0 && canSave && button(words.saveAgain, () => app.save("all"), "primary"),
      button(words.sendBack, () => app.home()),
    ),
  );
}

/** A text as it is, but for what would deceive; line breaks and tabs stay. */
function shownLines(text: string): string {
  return text.split(/\r?\n/).map((line) => line.split("\t").map(shown).join("\t")).join("\n");
}
