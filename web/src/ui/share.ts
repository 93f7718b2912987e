// A share of this page: how others find it, and how far each of them is.

import encodeQR from "qr";

import type { App } from "../app.ts";
import { shown } from "../protocol/local_name.ts";
import type { Guest, Notice } from "../state.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { button, buttons, card, copy, type Of } from "./parts.ts";
import { badge, bar, pace, percent } from "./progress.ts";
import { question } from "./receive.ts";
import { failureText, words } from "./strings.ts";

export function share(now: Of<"share">, app: App): Child {
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
          isOnlyHere(now.link) && h("p", { class: "banner", role: "status" }, words.onlyHere),
          buttons(
            button(now.copied === "link" ? words.copied : words.copyLink, () => copyIt("link"), "primary", !isReady),
            button(now.copied === "code" ? words.copied : words.copyCode, () => copyIt("code"), "", !isReady),
          ),
        ),
        // Who scans it has another device.
        isReady && !isOnlyHere(now.link) && qr(now.link),
      ),
      now.notice && h("p", { class: "error", role: "alert" }, noticeText(now.notice)),
      now.notice?.t === "wrong_password" && now.notice.left === 0 && buttons(button(words.unlock, () => app.unlockPassword())),
      h("h2", {}, words.receivers),
      now.guests.length === 0 ? h("p", { class: "quiet" }, words.noReceiver) : h("ul", { class: "guests" }, now.guests.map(guest)),
      h("p", { class: "quiet small" }, words.keepOpen),
      buttons(button(words.stopSharing, () => app.home())),
    ),
  ];
}

function noticeText(notice: Notice): string {
  switch (notice.t) {
    case "wrong_code":
      return words.wrongCode(notice.left);
    case "wrong_password":
      return words.wrongPassword(notice.left);
    case "crowded":
      return words.crowded(notice.seconds);
  }
}

/** Whether a link opens on this device and on no other. */
export function isOnlyHere(link: string): boolean {
  return /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])[:/]/i.test(link);
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
