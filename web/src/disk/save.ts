// Hands a stored file to the browser's downloads. Received bytes are never opened as a page: their type says nothing.

/** A download of its own; the browser asks where, or puts it with the others. */
export function save(file: Blob, name: string): void {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  anchor.download = name;
  anchor.rel = "noopener";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser reads the file while it saves; nobody says when it is done.
  setTimeout(() => URL.revokeObjectURL(anchor.href), 600_000);
}
