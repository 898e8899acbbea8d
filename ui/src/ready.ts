const awaited = new Set(["document", "plugins"]);

/** Note that a part is on the page; when all are, `<html data-ready="true">` says so. */
export function setReady(part: "document" | "plugins"): void {
  awaited.delete(part);
  if (!awaited.size) document.documentElement.dataset.ready = "true";
}
