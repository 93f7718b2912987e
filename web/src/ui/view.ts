// What a person sees: state in, elements out. Chooses the screen; each has a file of its own beside this one.

import type { App } from "../app.ts";
import { shown } from "../protocol/local_name.ts";
import type { Screen, State } from "../state.ts";
import { h, patch, type Child, type VNode } from "./dom.ts";
import { home, picker } from "./home.ts";
import { button, buttons, card, details, success, type Of } from "./parts.ts";
import { percent, running } from "./progress.ts";
import { joining, offer, password, question, received } from "./receive.ts";
import { share } from "./share.ts";
import { failureText, linkErrors, size, verdictTexts, words } from "./strings.ts";
import { knocking, nearbyScreen } from "./nearby.ts";
import { networkTest } from "./test.ts";

/** Draws the state; called after every change. */
export function draw(root: Element, state: State, app: App): void {
  document.documentElement.dataset.theme = state.theme;
  document.title = title(state.screen);
  patch(root, [
    h("header", {}, h("a", { class: "brand", href: "/", onclick: (event: Event) => { event.preventDefault(); app.home(); } }, logo(), words.name)),
    h("main", { key: state.screen.t, class: state.isDragging ? "dragging" : "" }, screen(state, app)),
    footer(state, app),
    ...[knocking(state, app)].flatMap((sheet) => (typeof sheet === "object" && "tag" in sheet ? [sheet] : [])),
    h("p", { class: "visually-hidden", "aria-live": "polite" }, spoken(state)),
  ]);
}

function title(screen: Screen): string {
  const progress = "progress" in screen && (screen.t === "receiving" || screen.t === "sending") ? screen.progress : undefined;
  return progress && progress.total > 0 ? `${percent(progress)} % · ${words.name}` : words.name;
}

/** What a screen reader says: steps of ten percent, not every change. */
function spoken({ screen, knock }: State): string {
  if (knock) return words.knock(knock.from === "" ? words.somebody : shown(knock.from));
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
    case "test":
      return screen.result ? verdictTexts[screen.result.verdict] : words.testRunning;
    default:
      return "";
  }
}

function screen(state: State, app: App): Child {
  const { screen: now } = state;
  switch (now.t) {
    case "home":
      return home(now, state, app);
    case "nearby":
      return nearbyScreen(state, app);
    case "joining":
      return joining(now, app);
    case "password":
      return password(now, app);
    case "verify":
      return card(now.other === undefined ? words.verifyTitle : words.verifyOf(shown(now.other)), question(now.digits, now.isAnswered, app, now.remember));
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
      return success(words.sent, h("p", {}, words.sentText(now.progress.entryTotal, size(now.progress.total))), buttons(
        button(words.sendBack, () => app.home(), "primary"),
      ));
    case "share":
      return share(now, app);
    case "bad_link":
      return card(linkErrors[now.error], buttons(button(words.startOver, () => app.home(), "primary")));
    case "failed":
      return failed(now, app);
    case "test":
      return networkTest(now, app);
    case "unsupported":
      return card(words.unsupported);
  }
}

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

function footer(state: State, app: App): VNode {
  return h("footer", {},
    state.isInsecure && h("p", { class: "banner" }, words.insecure),
    h("p", { class: "quiet small" }, words.about, " ", h("a", { href: "/test" }, words.testLink)),
    h("label", { class: "quiet small" }, `${words.theme} `, h("select", { onchange: (event: Event) => app.setTheme((event.target as HTMLSelectElement).value as State["theme"]) },
      (["auto", "light", "dark"] as const).map((theme) => h("option", { value: theme, selected: state.theme === theme }, words.themes[theme])))),
  );
}

function logo(): VNode {
  return h("svg", { class: "logo", viewBox: "0 0 64 64", "aria-hidden": "true" }, h("path", { d: "M14 25h33M38 15l10 10-10 10" }), h("path", { d: "M50 43H17M26 33L16 43l10 10", opacity: "0.65" }));
}
