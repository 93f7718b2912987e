// The origin's private file system as a worker sees it.

/** The part of a synchronous handle that is used; a worker has it, a page has not. */
export interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(from: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
  getSize(): number;
}

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

/** The folder in which everything lies, a folder each. */
export async function parts(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle("parts", { create: true });
}

/** Opens a file to be written, and makes it if it is not there. */
export async function openSync(folder: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  return ((await folder.getFileHandle(name, { create: true })) as SyncFileHandle).createSyncAccessHandle();
}

/** Opens the two files of a folder: the bytes and what is known of them. */
export async function openPair(folder: FileSystemDirectoryHandle, names: readonly [string, string]): Promise<[SyncHandle, SyncHandle]> {
  const first = await openSync(folder, names[0]);
  try {
    return [first, await openSync(folder, names[1])];
  } catch (error) {
    first.close();
    throw error;
  }
}

/** Writes all of it. Throws when the disk has no room. */
export function writeAll(handle: SyncHandle, bytes: Uint8Array, at: number): void {
  if (handle.write(bytes, { at }) !== bytes.length) throw new DOMException("short write", "QuotaExceededError");
}

export function closeAll(handles: readonly SyncHandle[]): void {
  for (const handle of handles) handle.flush();
  for (const handle of handles) handle.close();
}
