// Asks for a folder, where a browser can write into one: Chromium, on https or on this very machine.

interface Picker {
  showDirectoryPicker(options: { mode: "readwrite"; id: string; startIn: "downloads" }): Promise<FileSystemDirectoryHandle>;
}

export function canPickFolder(): boolean {
  return "showDirectoryPicker" in window;
}

/** The folder, with the person's leave to write there; `undefined` when they think better of it. */
export async function pickFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (window as unknown as Picker).showDirectoryPicker({ mode: "readwrite", id: "p2pshare", startIn: "downloads" });
  } catch {
    return undefined;
  }
}
