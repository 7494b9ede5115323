// Who can play: people, levels, networks and the search; and what each is called.
//
// A seat is a spelling: "human", "level:3", "net:ur-29k", "emm:2". Networks are shipped (weights/manifest.json) or opened.
import { addOption } from "./dom.js";

const WEIGHTS = "../weights/"; // beside the page's folder, or at the server's root
const SEARCH_DEPTHS = [1, 2, 3];
const COLOURS = ["Blue", "Orange"];

const from = (address) => new URL(address, document.baseURI).href;

export class Players {
  networks = new Map(); // name -> {about, spelling, addresses, error, values}; an opened file has no addresses
  levels = []; // {name, network, temperature, elo}, the weakest first
  #engine;
  #rules = "finkel";
  #allLevels = {};

  constructor(engine) {
    this.#engine = engine;
  }

  /** Reads the shipped networks and levels. Throws one line where the server has no list. */
  async list() {
    const response = await fetch(from(`${WEIGHTS}manifest.json`)).catch(() => {
      throw new Error("the list of networks: the server can't be reached");
    });
    if (!response.ok) throw new Error(`the list of networks: the server answers ${response.status}`);
    const { models, levels = {} } = await response.json();
    for (const { name, parameters, measures, quantized, rules = "finkel" } of models) {
      const count = (parameters.value ?? parameters.policy).toLocaleString("en");
      const folders = quantized ? [`${WEIGHTS}quantized/`, WEIGHTS] : [WEIGHTS];
      const addresses = folders.flatMap((folder) => [`${folder}${name}.json.gz`, `${folder}${name}.json`]).map(from);
      const error = quantized?.value_error ?? measures?.value?.value_error?.mean ?? null;
      this.networks.set(name, {
        about: `a network of ${count} parameters`,
        spelling: `net:${name}`,
        addresses,
        error,
        rules,
        values: true,
      });
    }
    this.#allLevels = levels;
    this.setRules("finkel");
  }

  /** Offers the levels of a rule set. */
  setRules(rules) {
    this.#rules = rules;
    this.levels = this.#allLevels[rules] ?? [];
  }

  /** Adds a network of a file or of the server's `--model` -> its name, which no shipped network has. */
  add(file, { hasValue: values, rules } = { hasValue: true, rules: "finkel" }, addresses = []) {
    const name = this.nameOfFile(file);
    const about = "a network of your own";
    this.networks.set(name, { about, spelling: `net:${file}`, addresses, error: null, rules, values });
    return name;
  }

  nameOfFile(file) {
    const shipped = this.networks.get(file)?.addresses.some((address) => address.includes("/weights/"));
    return shipped ? `${file} (file)` : file;
  }

  /** Fills a select with everybody who plays the rule set. */
  fill(select, chosen) {
    select.replaceChildren();
    addOption(select, "Person", "human", "A person");
    this.levels.forEach(({ name }, index) =>
      addOption(select, "Levels, from the weakest", `level:${index + 1}`, `${index + 1} · ${name}`),
    );
    for (const depth of SEARCH_DEPTHS)
      addOption(select, "Search", `emm:${depth}`, `Search, ${depth} turn${depth > 1 ? "s" : ""} ahead`);
    this.#addNetworks(select, (name) => `net:${name}`);
    select.value = this.known(chosen) ? chosen : this.usual;
  }

  /** Fills a select with the networks that can judge. */
  fillJudges(select, chosen) {
    select.replaceChildren();
    this.#addNetworks(select, (name) => name);
    select.value = chosen ?? "";
  }

  #addNetworks(select, value) {
    for (const [name, { addresses, rules }] of this.networks)
      if (rules === this.#rules)
        addOption(
          select,
          addresses.some((address) => address.includes("/weights/")) ? "Networks" : "Your networks",
          value(name),
          name,
        );
  }

  /** The first of these networks that plays the rule set and values positions, or the best one that does; or null. */
  judgeOf(names) {
    const error = (name) => this.networks.get(name).error ?? 1;
    const others = [...this.networks.keys()].sort((one, other) => error(one) - error(other));
    const able = (name) => this.networks.get(name)?.rules === this.#rules && this.networks.get(name).values;
    return [...names, ...others].find(able) ?? null;
  }

  /** The opponent of a first game. */
  get usual() {
    if (this.levels.length) return `level:${Math.ceil(this.levels.length / 2)}`;
    return `emm:${SEARCH_DEPTHS.at(-1)}`;
  }

  known(seat) {
    const [kind, name] = split(seat);
    if (kind === "level") return Number(name) >= 1 && Number(name) <= this.levels.length;
    if (kind === "net") return this.networks.get(name)?.rules === this.#rules;
    return seat === "human" || (kind === "emm" && SEARCH_DEPTHS.includes(Number(name)));
  }

  /** The seat of a name in a record: a person where nobody of this page has the name. */
  seatOf(name) {
    const seat = name.replace(/^net:(?:weights\/)?(.*?)(?:\.json)?$/, "net:$1");
    return this.known(seat) ? seat : "human";
  }

  /** Null for a person, or an agent of worker.js. */
  agent(seat) {
    const [kind, name] = split(seat);
    if (kind === "net") return { network: name };
    if (kind === "emm") return { depth: Number(name) };
    if (kind !== "level") return null;
    const { network, temperature } = this.levels[name - 1];
    return { network, temperature };
  }

  /** What a seat is called: "Scribe", "ur-29k", "Search 3". */
  title(seat, rules = this.#rules) {
    const [kind, name] = split(seat);
    if (kind === "level") return this.#allLevels[rules][name - 1].name;
    return kind === "emm" ? `Search ${name}` : name;
  }

  /** What a seat is, in small letters. */
  about(seat) {
    const [kind, name] = split(seat);
    if (kind === "net") return this.networks.get(name).about;
    if (kind === "emm") return "expectiminimax with the classic evaluation";
    if (kind !== "level") return "at this screen";
    const { network, temperature, elo } = this.levels[name - 1];
    const softened = temperature
      ? `${network}, often content with a move ${temperature} points worse`
      : `${network}, always its best move`;
    return `${elo} Elo against perfect play; ${softened}`.replace("-", "−");
  }

  /** The name of a seat in a record. */
  spelling(seat, player, seats) {
    if (seat === "human") return seats.every((each) => each === "human") ? COLOURS[player].toLowerCase() : "you";
    return seat.startsWith("net:") ? this.networks.get(seat.slice(4)).spelling : seat;
  }

  /** The names of both players of a game, each person and each agent with one name. */
  names({ seats, names, rules }) {
    if (seats[0] === "human" && seats[1] === "human") {
      const told = names.every((name) => name && name !== "you") && names[0] !== names[1];
      return told ? names.map((name) => (COLOURS.includes(capital(name)) ? capital(name) : name)) : COLOURS;
    }
    const titles = seats.map((seat) => (seat === "human" ? "You" : this.title(seat, rules.name)));
    return titles[0] === titles[1]
      ? titles.map((title, player) => `${title} (${COLOURS[player].toLowerCase()})`)
      : titles;
  }

  /** Loads a network in the worker. Throws one line with its name. */
  async load(name) {
    const network = this.networks.get(name);
    if (!network?.addresses.length) return;
    try {
      const { hasValue, rules } = await this.#engine.fetchNetwork(name, network.addresses);
      Object.assign(network, { values: hasValue, rules });
    } catch (error) {
      throw new Error(`${name}: ${error.message}`);
    }
  }
}

const capital = (name) => name[0].toUpperCase() + name.slice(1);

/** "net:a:b" -> ["net", "a:b"]. */
function split(seat) {
  const at = seat.indexOf(":");
  return at < 0 ? [seat, ""] : [seat.slice(0, at), seat.slice(at + 1)];
}
