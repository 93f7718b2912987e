// How far a transfer is and how fast it goes.

import type { App } from "../app.ts";
import type { Progress } from "../state.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { button, buttons } from "./parts.ts";
import { duration, size, words } from "./strings.ts";

export function running(progress: Progress, app: App, isSaving: boolean): Child {
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

export function bar(progress: Progress): VNode {
  // A stream has no known end: the bar says only that something moves.
  if (isEndless(progress)) return h("progress", { key: "endless", "aria-label": size(progress.bytes) });
  const value = progress.total === 0 ? 1 : progress.bytes;
  return h("progress", { max: Math.max(1, progress.total), value, "aria-label": words.percent(percent(progress)) });
}

/** How fast it goes, or why it does not. */
export function pace(progress: Progress): string {
  if (progress.isDisturbed) return words.reconnecting;
  if (progress.isPaused) return words.paused;
  const left = progress.total - progress.bytes;
  const parts = [words.perSecond(size(progress.speed))];
  if (progress.speed > 0 && left > 0) parts.push(words.timeLeft(duration(left / progress.speed)));
  if (progress.entryTotal > 1) parts.push(words.files(progress.entries, progress.entryTotal));
  return parts.join(" · ");
}

export function badge({ path }: Progress): Child {
  if (!path) return h("p", { class: "badge-line" });
  const trip = path.roundTrip === undefined ? "" : ` · ${words.roundTrip(Math.max(1, Math.round(path.roundTrip)))}`;
  const several = path.connections > 1 ? ` · ${words.connections(path.connections)}` : "";
  return h("p", { class: "badge-line" }, h("span", { class: `badge ${path.kind}` }, words.paths[path.kind]), h("span", { class: "quiet small" }, trip + several));
}

function isEndless(progress: Progress): boolean {
  return progress.total === 0 && progress.bytes > 0;
}

export function percent(progress: Progress): number {
  return progress.total === 0 ? 100 : Math.floor((100 * progress.bytes) / progress.total);
}
