// The start: what is to be sent is chosen here, or a code typed.

import type { App } from "../app.ts";
import { shown } from "../protocol/local_name.ts";
import type { Item } from "../session/source.ts";
import type { State } from "../state.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { nearby } from "./nearby.ts";
import { button, buttons, icon, value, type Of } from "./parts.ts";
import { codeErrors, size, words } from "./strings.ts";

export function home(now: Of<"home">, state: State, app: App): Child {
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
    nearby(state, app),
  ];
}

/** Where files come in: by drop, choice or paste; and what was chosen so far. */
export function picker(state: State, app: App, isHome: boolean): Child {
  const isEmpty = state.items.length === 0;
  const files = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    app.addFiles(input.files ?? []);
    input.value = "";
  };
  const choose = (id: string, label: string, isFolder: boolean): VNode =>
    h("label", { class: isFolder || !isEmpty ? "button" : "button primary", for: id }, label, h("input", {
      id, type: "file", class: "visually-hidden", multiple: true, ...(isFolder ? { webkitdirectory: true } : {}), onchange: files,
    }));
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
