// What the browser keeps between two visits: the settings, the game under way, and the game before it.

const SETTINGS = "ur-settings";
const GAME = "ur-game";
const BEFORE = "ur-game-before";

const DEFAULTS = { seats: ["human", null], judge: null, speed: "650", help: "hints", rules: "finkel" };

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // no storage, or damaged content
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage the page works, but forgets.
  }
}

export const readSettings = () => ({ ...DEFAULTS, ...read(SETTINGS) });
export const writeSettings = (settings) => write(SETTINGS, settings);

/** The kept game {text, seats, roll, dice, opened}, or null. */
export const readGame = () => read(GAME);
export const writeGame = (game) => write(GAME, game);

/** The unfinished game that another one took the place of, or null. */
export const readBefore = () => read(BEFORE);
export const writeBefore = (game) => write(BEFORE, game);
