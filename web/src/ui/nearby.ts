// The devices of this network: a strip at the start, a screen of their own, and a sheet for whoever knocks.

import type { App } from "../app.ts";
import { isDeviceName, tagOf, type Device } from "../protocol/nearby.ts";
import { shown } from "../protocol/local_name.ts";
import type { State } from "../state.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { picker } from "./home.ts";
import { button, buttons, card } from "./parts.ts";
import { remembering } from "./receive.ts";
import { words } from "./strings.ts";

/** The strip at the start. */
export function nearby(state: State, app: App): Child {
  const { devices, target } = state;
  const all = h("a", { class: "push", href: "/nearby", onclick: (event: Event) => {
    event.preventDefault();
    app.lookAround();
  } }, words.nearbyAll);
  return h("section", { class: "card" },
    h("div", { class: "row strip" }, h("h2", { class: "first" }, words.nearby), all),
    !devices ? h("p", { class: "quiet" }, words.nearbyUntold) : target ? aimed(target, app) : [around(devices, app), self(state, app)]);
}

/** Everything about the devices around. */
export function nearbyScreen(state: State, app: App): Child {
  const { devices, target, visibility } = state;
  if (devices && target) return card(words.sendTo(shown(target.name)), picker(state, app, false), buttons(button(words.cancel, () => app.aim(undefined))));
  return [
    card(words.nearby,
      !devices ? h("p", { class: "quiet" }, words.nearbyUntold) : h("div", { class: "field" },
        devices.length > 0 && h("p", { class: "quiet" }, words.nearbyHint),
        around(devices, app),
        h("p", { class: "me" }, avatar(visibility.name, "page"), h("strong", {}, visibility.isVisible ? shown(visibility.name) : words.unseen))),
      self(state, app),
      buttons(button(words.back, () => app.home())),
    ),
    remembered(state, app),
  ];
}

function around(devices: readonly Device[], app: App): Child {
  if (devices.length === 0) return h("p", { class: "quiet" }, words.nearbyNobody);
  return h("ul", { class: "devices" }, devices.map((device) => h("li", { key: device.room }, peer(device, devices, app))));
}

/** Whether others see this device, and under which name. */
function self({ visibility }: State, app: App): VNode {
  return h("div", { class: "self" },
    h("label", { class: "option" },
      h("input", { type: "checkbox", checked: visibility.isVisible, onchange: (event: Event) => app.neighbours.show({ ...visibility, isVisible: (event.target as HTMLInputElement).checked }) }),
      h("span", {}, words.visible, h("span", { class: "quiet small block" }, words.visibleHint))),
    visibility.isVisible && h("label", { class: "name-field" }, h("span", { class: "visually-hidden" }, words.ownName), avatar(visibility.name, "page"), h("input", {
      type: "text", maxlength: 32, value: visibility.name, spellcheck: "false", autocomplete: "off",
      onchange: (event: Event) => {
        const input = event.target as HTMLInputElement;
        const name = input.value.trim();
        if (isDeviceName(name)) app.neighbours.show({ ...visibility, name });
        else input.value = visibility.name;
      },
    })),
  );
}

function remembered({ acquaintances }: State, app: App): VNode {
  return h("section", { class: "card" }, h("h2", { class: "first" }, words.remembered),
    h("p", { class: "quiet" }, acquaintances.length > 0 ? words.rememberedHint : words.rememberedNobody),
    acquaintances.length > 0 && h("ul", { class: "files known" }, acquaintances.map(({ name, key }) => h("li", { key },
      avatar(name, "page"),
      h("span", { class: "name" }, shown(name)),
      h("button", { type: "button", class: "button", "aria-label": words.forgetName(shown(name)), onclick: () => app.neighbours.acquaintances.forget(key) }, words.forget)))));
}

/** A device was tapped, and now things are chosen for it. */
function aimed(target: Device, app: App): Child {
  return [
    h("p", { class: "aim" }, avatar(target.name, target.kind), words.chooseFor(shown(target.name))),
    buttons(button(words.cancel, () => app.aim(undefined))),
  ];
}

function peer(device: Device, all: readonly Device[], app: App): VNode {
  const isAlone = all.filter(({ name }) => name.toLowerCase() === device.name.toLowerCase()).length === 1;
  const name = shown(device.name) + (isAlone ? "" : ` #${tagOf(device)}`);
  return h("button", {
    type: "button", class: "device", "aria-label": words.sendTo(name), onclick: () => app.sendTo(device),
    // What is dropped here is taken by the page, for this device.
    ondrop: () => app.aim(device),
  }, avatar(device.name, device.kind), h("span", { class: "name" }, name));
}

/** The same picture for the same name, wherever it is seen. */
function avatar(name: string, kind: Device["kind"]): VNode {
  let sum = 0;
  for (const char of name.toLowerCase()) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003;
  const letters = [...name].slice(0, 1).join("").toUpperCase();
  return h("span", { class: `avatar tone-${sum % TONES}`, "aria-hidden": "true", "data-letter": kind === "terminal" ? "›_" : letters });
}

/** Somebody wants to send something. */
export function knocking({ knock }: State, app: App): Child {
  if (!knock) return undefined;
  const { digits, isAnswered } = knock;
  const from = knock.from === "" ? words.somebody : shown(knock.from);
  return h("div", {
    key: "sheet", class: "sheet", role: "dialog", "aria-modal": "true", "aria-labelledby": "knock", tabindex: -1,
    onkeydown: (event: KeyboardEvent) => {
      if (event.key === "Escape") app.neighbours.answer(false);
    },
  },
    h("div", { class: "card" },
      h("h1", { id: "knock" }, words.knock(from)),
      h("p", { class: "big digits" }, `${digits.slice(0, 3)} ${digits.slice(3)}`),
      h("p", { class: "quiet" }, isAnswered ? words.verifyWaiting : words.knockText(from)),
      !isAnswered && remembering(knock.remember, (wanted) => app.neighbours.tick(wanted)),
      !isAnswered && buttons(
        button(words.letIn, () => app.neighbours.answer(true), "primary"),
        button(words.decline, () => app.neighbours.answer(false)),
      ),
    ));
}

const TONES = 6;
