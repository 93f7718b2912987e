// A small virtual tree: the view says what there is to be, `patch` changes what differs. What a person types, selects or
// focuses stays, because elements stay.
//
// Only attributes and text nodes are written, never markup, so that nothing that a peer says can become a part of the page.

type Listener = (event: never) => void;
export type Props = Readonly<Record<string, string | number | boolean | undefined | Listener>>;

export interface VNode {
  readonly tag: string;
  readonly key: string | undefined;
  readonly props: Props;
  readonly children: readonly (VNode | string)[];
}

export type Child = VNode | string | number | false | undefined | readonly Child[];

export function h(tag: string, props: Props = {}, ...children: readonly Child[]): VNode {
  const key = typeof props.key === "string" || typeof props.key === "number" ? String(props.key) : undefined;
  return { tag, key, props, children: flatten(children) };
}

function flatten(children: readonly Child[]): (VNode | string)[] {
  return children.flatMap((child) => {
    if (child === undefined || child === false) return [];
    if (typeof child === "string" || typeof child === "number") return [String(child)];
    return "tag" in child ? [child] : flatten(child);
  });
}

const SVG = "http://www.w3.org/2000/svg";
const mounted = new WeakMap<Node, VNode>();

/** Makes the children of `parent` what `children` say. */
export function patch(parent: Element, children: readonly (VNode | string)[]): void {
  const old = [...parent.childNodes];
  const used = new Set<Node>();
  children.forEach((child, at) => {
    const reused = old.find((node) => !used.has(node) && fits(node, child));
    const node = reused ?? create(child, parent);
    used.add(node);
    if (typeof child === "string") {
      if (node.textContent !== child) node.textContent = child;
    } else {
      update(node as Element, child);
    }
    if (parent.childNodes[at] !== node) parent.insertBefore(node, parent.childNodes[at] ?? null);
  });
  for (const node of old) if (!used.has(node)) node.remove();
}

function fits(node: Node, child: VNode | string): boolean {
  if (typeof child === "string") return node.nodeType === Node.TEXT_NODE;
  const known = mounted.get(node);
  return known !== undefined && known.tag === child.tag && known.key === child.key;
}

function create(child: VNode | string, parent: Element): Node {
  if (typeof child === "string") return document.createTextNode(child);
  const isSvg = child.tag === "svg" || (parent.namespaceURI === SVG && parent.tagName !== "foreignObject");
  const element = isSvg ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  mounted.set(element, h(child.tag, {}));
  return element;
}

function update(element: Element, node: VNode): void {
  const old = mounted.get(element)?.props ?? {};
  for (const name of Object.keys(old)) if (!(name in node.props)) set(element, name, old[name], undefined);
  for (const [name, value] of Object.entries(node.props)) set(element, name, old[name], value);
  mounted.set(element, node);
  patch(element, node.children);
  if (node.props.autofocus === true && old.autofocus !== true) (element as HTMLElement).focus();
}

function set(element: Element, name: string, old: Props[string], value: Props[string]): void {
  // A value that did not change is left to the person who types.
  if (name === "key" || name === "autofocus" || (old === value && name !== "checked")) return;
  if (name.startsWith("on")) {
    const type = name.slice(2).toLowerCase();
    if (typeof old === "function") element.removeEventListener(type, old as EventListener);
    if (typeof value === "function") element.addEventListener(type, value as EventListener);
  } else if (name === "value" && element instanceof HTMLInputElement) {
    if (value !== undefined && element.value !== value) element.value = String(value);
  } else if (name === "checked" && element instanceof HTMLInputElement) {
    element.checked = value === true;
  } else if (name === "indeterminate" && element instanceof HTMLInputElement) {
    element.indeterminate = value === true;
  } else if (value === undefined || value === false) {
    element.removeAttribute(name);
  } else if (typeof value !== "function") {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}
