// Names for people and disks: what would deceive is replaced. A file system or an unpacker of this browser's device may be any,
// so names are made to fit all of them.

import { hashOf } from "./hash.ts";
import { utf8, utf8Length } from "./bytes.ts";
import type { Entry } from "./offer.ts";

/** Control, bidi and zero-width characters and line separators; joiners are needed by emoji and whole scripts. */
const DECEPTIVE =
  /[\0-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]/gu;

/** An untrusted text, safe to show: nothing in it is invisible or turns around what follows. */
export function shown(text: string): string {
  return text.replace(DECEPTIVE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Whether something in a text is invisible or turns around what follows. */
export function isDeceptive(text: string): boolean {
  return text.search(DECEPTIVE) >= 0;
}

/** The local name of one path component. */
export function localName(offered: string): string {
  let name = offered.replace(DECEPTIVE, "_").replace(/[<>:"|?*/\\]/g, "_");
  name = name.replace(/^ +/, (spaces) => "_".repeat(spaces.length));
  name = name.replace(/[. ]+$/, (end) => "_".repeat(end.length));
  if (/^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?$/i.test(name)) name = `_${name}`;
  return utf8Length(name) > NAME_BYTES_MAX ? shorten(name, offered) : name;
}

/** The local paths of the entries, no two files the same, as if their place were empty. */
export function localPaths(entries: readonly Entry[]): string[] {
  const taken = new Set<string>();
  const folders = new Map<string, string>();
  const give = (folder: string, offered: string, isFolder: boolean): string => {
    const name = localName(offered);
    for (let number = 0; ; number++) {
      const path = (folder === "" ? "" : `${folder}/`) + (number === 0 ? name : numbered(name, number, isFolder));
      const key = path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
      if (taken.has(key)) continue;
      taken.add(key);
      return path;
    }
  };
  const folderOf = (components: readonly string[]): string => {
    if (components.length === 0) return "";
    const offered = components.join("/");
    const known = folders.get(offered);
    if (known !== undefined) return known;
    const path = give(folderOf(components.slice(0, -1)), components.at(-1) ?? "", true);
    folders.set(offered, path);
    return path;
  };
  return entries.map((entry) =>
    entry.kind === "dir" ? folderOf(entry.path) : give(folderOf(entry.path.slice(0, -1)), entry.path.at(-1) ?? "", false),
  );
}

/** `photo (1).jpg`: another name beside one that is taken. */
export function numbered(name: string, number: number, isFolder: boolean): string {
  const [stem, extension] = isFolder ? [name, ""] : splitExtension(name);
  return `${stem} (${number})${extension}`;
}

function shorten(name: string, offered: string): string {
  const [stem, found] = splitExtension(name);
  const extension = utf8Length(found) > 32 ? "" : found;
  const hash = hashOf(utf8(offered)).slice(0, 8);
  const characters = [...stem];
  while (utf8Length(characters.join("")) > NAME_BYTES_MAX - utf8Length(extension) - 9) characters.pop();
  return `${characters.join("")}-${hash}${extension}`;
}

/** Splits before the last dot; a leading dot starts no extension. */
function splitExtension(name: string): [string, string] {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
}

/** 255 less room for a number, and for the endings that browsers give to files that are not complete. */
const NAME_BYTES_MAX = 240;
