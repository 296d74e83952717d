// Python keeps a viewer for as long as it is on a page. One that leaves with its page comes back with it.
const PAGE = Math.random().toString(36).slice(2); // anew each time the page is loaded
const GONE_MS = 1000; // a cell that moves leaves the page for a moment
let views = 0;

export function presence({ model, root, kernel }) {
  const view = String((views += 1));
  const tell = (kind) => kernel.send({ kind, page: PAGE, view }, () => {});
  tell("here");
  let place = null; // the notebook that it is in, known once it is in one
  // A cell that is scrolled out of sight may be taken off the page: it says nothing of where it is.
  const seen = new ResizeObserver(() => root.isConnected && (place = root.closest(".jp-NotebookPanel") || document.body));
  seen.observe(root);
  return () => {
    seen.disconnect();
    setTimeout(() => {
      if (!place || !place.isConnected) return;
      try {
        model.send({ kind: "left", page: PAGE, view, id: `${view}-left` });
      } catch {
        // the kernel has ended, and holds nothing any more
      }
    }, GONE_MS);
  };
}
