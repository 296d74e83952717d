// Messages to Python. Of windows one is under way and the newest waits; edits go out at once, each answered by itself.
const PATIENCE_MS = 5000;

export class Kernel {
  constructor(model, { told, say, lost }) {
    Object.assign(this, { model, told, say, lost });
    this.number = 0;
    this.waiting = new Map();
    this.windows = 0;
    this.react = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.react);
  }

  stop() {
    this.model.off("msg:custom", this.react);
    clearTimeout(this.watch);
  }

  receive(message, buffers) {
    if (message.id === null) this.told(message); // nobody asked: something changed
    const take = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.fault && take) {
      if (message.id === this.under) this.done(); // asked again when something moves
      this.say(message.fault);
    } else if (take) take(message, buffers);
  }

  // Returns the number of the message, null where nobody is there to get it.
  send(content, take) {
    const id = `${(this.number += 1)}-${Math.random().toString(36).slice(2, 8)}`;
    this.waiting.set(id, take);
    try {
      this.model.send({ ...content, id });
    } catch {
      this.waiting.delete(id); // the kernel that made this viewer has ended
      this.lost();
      return null;
    }
    return id;
  }

  window(content, take) {
    if (this.under) {
      this.next = [content, take];
      return;
    }
    const sent = performance.now();
    this.under = this.send({ kind: "window", ...content }, (message, buffers) => {
      this.windows += 1;
      this.lastMs = performance.now() - sent;
      take(message, buffers);
      this.done();
    });
    const own = this.under;
    if (own === null) return;
    this.watch = setTimeout(() => {
      // A message that was lost, or a kernel that is busy elsewhere: ask again for what is wanted by now.
      this.waiting.delete(own);
      this.next = this.next || [content, take];
      this.done();
    }, PATIENCE_MS);
  }

  // What was under way is over: now what is wanted by now, if that is something else.
  done() {
    clearTimeout(this.watch);
    this.under = null;
    const next = this.next;
    this.next = null;
    if (next) this.window(...next);
  }
}
