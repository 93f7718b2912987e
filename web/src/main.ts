// The start: reads the address, then hands over to the state.

import { App } from "./app.ts";
import { recall } from "./kept.ts";
import { recallVisibility } from "./session/visibility.ts";
import type { State, Theme } from "./state.ts";
import { draw } from "./ui/view.ts";

const root = document.getElementById("app");
if (!root) throw new Error("the page has a place for the app");

let isDrawn = true;
const app: App = new App(initial(), () => {
  if (!isDrawn) return;
  isDrawn = false;
  queueMicrotask(() => {
    isDrawn = true;
    const before = shown;
    shown = app.state.screen.t;
    draw(root, app.state, app);
    // Whoever knocks is answered first.
    const sheet = root.querySelector<HTMLElement>(".sheet");
    if (sheet && !sheet.contains(document.activeElement)) sheet.focus();
    // A new screen is read from its heading.
    if (before !== shown && before !== undefined) root.querySelector<HTMLElement>("main h1[tabindex]")?.focus();
  });
});
let shown: string | undefined;

function initial(): State {
  const nameplate = new URLSearchParams(location.search).get("id") ?? "";
  return {
    theme: theme(),
    screen:
      "RTCPeerConnection" in window
        ? { t: "home", codeError: undefined, nameplate: /^[1-9][0-9]{1,7}$/.test(nameplate) ? nameplate : "" }
        : { t: "unsupported" },
    items: [],
    settings: { password: "", many: false, verify: false },
    isDragging: false,
    isSeen: document.visibilityState === "visible",
    devices: [],
    visibility: recallVisibility(),
    knock: undefined,
    acquaintances: [],
    target: undefined,
    isInsecure: !isSecureContext,
  };
}

function theme(): Theme {
  try {
    const kept = localStorage.getItem("theme");
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto";
  }
}

/** Takes the secret out of the address at once, so that it is in no history and no screenshot. */
function takeFragment(): string {
  const fragment = location.hash.slice(1);
  if (fragment !== "") history.replaceState(null, "", location.pathname + location.search);
  return fragment;
}

/** Follows the link when a person really looks at the page: a prefetched or hidden one spends nothing. */
function open(fragment: string): void {
  if (document.visibilityState === "visible") {
    app.openFragment(fragment);
    return;
  }
  const wait = (): void => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", wait);
    app.openFragment(fragment);
  };
  document.addEventListener("visibilitychange", wait);
}

function listen(): void {
  let depth = 0;
  const drag = (isDragging: boolean): void => {
    if (app.state.isDragging !== isDragging) app.update({ isDragging });
  };
  document.addEventListener("dragenter", () => drag(++depth > 0));
  document.addEventListener("dragleave", () => drag(--depth > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drag(false);
    if (event.dataTransfer) void app.addDrop(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    const isField = event.target instanceof HTMLInputElement;
    if (isField || !event.clipboardData) return;
    event.preventDefault();
    const { files } = event.clipboardData;
    if (files.length > 0) app.addFiles(files);
    else app.addText(event.clipboardData.getData("text/plain"));
  });
  document.addEventListener("visibilitychange", () => app.update({ isSeen: document.visibilityState === "visible" }));
  addEventListener("hashchange", () => {
    const fragment = takeFragment();
    if (fragment !== "") open(fragment);
  });
}

listen();
app.update({});
if (app.state.screen.t !== "unsupported") {
  const fragment = takeFragment() || recall();
  if (location.pathname === "/test") void app.testNetwork();
  else if (location.pathname === "/nearby") app.lookAround();
  else if (fragment !== undefined) open(fragment);
}
