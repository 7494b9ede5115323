// The page's side of the worker: every method of worker.js as a promise.

export class Engine {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #requests = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { id, result, error } }) => {
      const request = this.#waiting.get(id);
      if (!request) return; // an error of the worker has rejected it
      this.#waiting.delete(id);
      if (error === undefined) request.resolve(result);
      else request.reject(new Error(error));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "the engine did not start"));
      this.#waiting.clear();
    };
  }

  #ask(method, ...values) {
    return new Promise((resolve, reject) => {
      const id = this.#requests++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, values });
    });
  }

  ready = () => this.#ask("ready");
  fetchNetwork = (name, addresses) => this.#ask("fetchNetwork", name, addresses);
  open = (name, buffer) => this.#ask("open", name, buffer);
  read = (text) => this.#ask("read", text);
  keepNetworks = (names) => this.#ask("keepNetworks", names);
  options = (position, roll) => this.#ask("options", position, roll);
  isOver = (position) => this.#ask("isOver", position);
  choose = (agent, position, roll) => this.#ask("choose", agent, position, roll);
  judge = (name, position, roll) => this.#ask("judge", name, position, roll);
}
