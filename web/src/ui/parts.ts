// The pieces that screens are made of.

import type { Screen } from "../state.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { words } from "./strings.ts";

/** One of the screens. */
export type Of<T extends Screen["t"]> = Extract<Screen, { t: T }>;

export function card(heading: string, ...children: readonly Child[]): VNode {
  return h("section", { class: "card" }, h("h1", { tabindex: -1 }, heading), ...children);
}

/** A card about something that went well. */
export function success(heading: string, ...children: readonly Child[]): VNode {
  return h("section", { class: "card" }, h("div", { class: "title" }, check(), h("h1", { tabindex: -1 }, heading)), ...children);
}

export function button(label: string, onclick: (() => void) | undefined, kind = "", isDisabled = false): VNode {
  return h("button", { type: onclick ? "button" : "submit", class: `button ${kind}`.trim(), disabled: isDisabled, onclick }, label);
}

export function buttons(...children: readonly Child[]): VNode {
  return h("div", { class: "buttons" }, ...children);
}

export function details(text: string): VNode {
  return h("details", {}, h("summary", {}, words.details), h("p", { class: "quiet small" }, text));
}

function check(): VNode {
  return h("svg", { class: "check", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: "M4 12.5l5 5L20 6.5" }));
}

export function icon(kind: "file" | "folder" | "text"): VNode {
  const path = {
    file: "M6 3h8l5 5v13H6zM14 3v5h5",
    folder: "M3 6h6l2 2.5h10V19H3z",
    text: "M5 6h14M5 11h14M5 16h9",
  }[kind];
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: path }));
}

export function value(event: SubmitEvent, name: string): string {
  const field = new FormData(event.target as HTMLFormElement).get(name);
  return typeof field === "string" ? field : "";
}

/** Copies a text; on plain http only the old way is there. */
export async function copy(text: string): Promise<boolean> {
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
export const LIST_MAX = 500;
