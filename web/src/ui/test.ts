// The test of the network: a list of what was found out, one sentence, and a report to copy.

import type { App } from "../app.ts";
import { h, type Child, type VNode } from "./dom.ts";
import { button, buttons, card, copy, type Of } from "./parts.ts";
import { findingText, reportText, testNames, verdictAdvice, verdictTexts, words } from "./strings.ts";

export function networkTest({ result, isCopied }: Of<"test">, app: App): Child {
  if (!result) return card(words.testRunning, h("p", { class: "quiet" }, words.testHint), h("progress", { "aria-label": words.testRunning }));
  const { verdict, findings } = result;
  return card(verdictTexts[verdict],
    verdictAdvice[verdict] !== "" && h("p", {}, verdictAdvice[verdict]),
    h("ul", { class: "checks" }, findings.map((finding) =>
      h("li", { key: finding.t, class: finding.state },
        mark(finding.state),
        h("span", {}, h("strong", {}, testNames[finding.t]), h("span", { class: "quiet block" }, findingText(finding))),
      ))),
    buttons(
      button(isCopied ? words.copied : words.copyReport, () => {
        void copy(reportText(result)).then((isDone) => isDone && app.copiedReport());
      }, "primary"),
      button(words.testAgain, () => void app.testNetwork()),
      button(words.back, () => app.home()),
    ),
  );
}

function mark(state: "ok" | "note" | "bad"): VNode {
  const path = { ok: "M4 12.5l5 5L20 6.5", note: "M12 4v10M12 18v1.5", bad: "M6 6l12 12M18 6L6 18" }[state];
  return h("svg", { class: "mark", viewBox: "0 0 24 24", role: "img", "aria-label": words.testStates[state] }, h("path", { d: path }));
}
