// The dialogs: new game, open, save and share, settings, how to play.
import { $, percent } from "./dom.js";
import { guide } from "./guide.js";
import { toNotation } from "./notation.js";
import { writeOwn } from "./records.js";
import { writeRgn, writeRoyalUr } from "./royalur.js";
import { RULE_SETS } from "./rules.js";
import { gameLink, positionLink } from "./share.js";

/** Opens a dialog -> the value of the button that closed it. */
export function ask(dialog) {
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

// --- new game --------------------------------------------------------------------------------------------------------

const seats = () => [$("player-0"), $("player-1")];

/** Fills the choice of rule sets; hidden where there is one alone. */
export function fillRules(names, chosen) {
  $("rules").replaceChildren(...names.map((name) => new Option(RULE_SETS[name].title, name)));
  $("rules").value = chosen;
  $("rules").hidden = $("rules-label").hidden = names.length < 2;
}

/** Keeps what the new-game dialog says about the chosen players true. */
export function listenNewGame(players) {
  const about = () => seats().forEach(({ value }, player) => ($(`about-${player}`).textContent = players.about(value)));
  const fill = (chosen) => {
    seats().forEach((select, player) => players.fill(select, chosen[player]));
    about();
  };
  const chosen = () => seats().map(({ value }) => value);
  for (const select of seats()) select.addEventListener("change", about);
  $("swap").addEventListener("click", () => fill(chosen().reverse()));
  $("rules").addEventListener("change", () => {
    players.setRules($("rules").value);
    fill(chosen());
  });
}

/** Asks for the players and rules of a new game -> {seats, rules}, or null. */
export async function askNewGame(players, { seats: present, rules, underWay }) {
  players.setRules(rules);
  $("rules").value = rules;
  seats().forEach((select, player) => {
    players.fill(select, present[player]);
    $(`about-${player}`).textContent = players.about(select.value);
  });
  $("new-warning").hidden = !underWay;
  const answer = await ask($("new-dialog"));
  return answer === "start" ? { seats: seats().map(({ value }) => value), rules: $("rules").value } : null;
}

// --- open ------------------------------------------------------------------------------------------------------------

/** Listens for files and pasted texts; `openFile` gets a File, `openText` a text. */
export function listenOpen(openFile, openText) {
  const dialog = $("open-dialog");
  $("open-open").addEventListener("click", () => ask(dialog));
  $("choose-file").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", ({ target }) => {
    if (target.files.length) openFile(target.files[0]);
    target.value = "";
    dialog.close();
  });
  $("open-pasted").addEventListener("click", () => {
    const text = $("pasted").value.trim();
    dialog.close();
    if (text) openText(text);
    $("pasted").value = "";
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) openFile(event.dataTransfer.files[0]);
  });
}

// --- save and share --------------------------------------------------------------------------------------------------

const WRITERS = {
  own: { write: writeOwn, end: "jsonl", type: "application/jsonl" },
  royalur: { write: writeRoyalUr, end: "json", type: "application/json" },
  rgn: { write: writeRgn, end: "rgn", type: "text/plain" },
};

/** Listens to the dialog; `moment` gives {game, position, roll} of the board, `failed` gets one line. */
export function listenSave(moment, failed) {
  const done = (text) => ($("save-done").textContent = text);
  const texts = {
    rgn: ({ game }) => writeRgn(game.record),
    game: ({ game }) => gameLink(game.record),
    position: ({ game, position, roll }) => positionLink(position, roll, game.rules),
    notation: ({ game, position }) => toNotation(position, game.rules),
  };
  const attempt = async (action) => {
    try {
      await action();
    } catch (error) {
      $("save-dialog").close();
      failed(error.message);
    }
  };
  for (const button of document.querySelectorAll("[data-save]"))
    button.addEventListener("click", () => attempt(() => save(WRITERS[button.dataset.save], moment().game.record)));
  for (const button of document.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () =>
      attempt(async () => {
        if (!navigator.clipboard) throw new Error("the browser does not let this page copy");
        await navigator.clipboard.writeText(texts[button.dataset.copy](moment()));
        done("Copied.");
      }),
    );
  $("share").hidden = !navigator.share;
  $("share").addEventListener("click", () =>
    navigator.share({ title: document.title, url: texts.game(moment()) }).catch(() => {}),
  );
  $("save-open").addEventListener("click", () => {
    done("");
    ask($("save-dialog"));
  });
}

function save({ write, end, type }, record) {
  const link = document.createElement("a");
  link.download = `ur-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${end}`;
  link.href = URL.createObjectURL(new Blob([write(record)], { type }));
  link.click();
  setTimeout(URL.revokeObjectURL, 1000, link.href);
}

// --- settings and help -----------------------------------------------------------------------------------------------

/** Listens to the settings; `changed` gets {speed} or {judge}. */
export function listenSettings(players, changed) {
  $("settings-open").addEventListener("click", () => ask($("settings-dialog")));
  $("speed").addEventListener("change", ({ target }) => changed({ speed: target.value }));
  $("judge").addEventListener("change", ({ target }) => changed({ judge: target.value }));
}

/** What is said about a judge: how far its win probabilities are off. */
export function judgeWords(players, name) {
  const network = players.networks.get(name);
  if (!network) return "Without a network that values positions there are no verdicts.";
  if (network.error === null) return `Verdicts by ${name}.`;
  return `Verdicts by ${name}, whose win probabilities are off by ${percent(network.error).replace("0 %", " %").replace(" %", "")} points on average.`;
}

/** Listens to the help, which describes the rules of `rules()`. */
export function listenHelp(rules) {
  $("help-open").addEventListener("click", () => {
    $("help-rules").replaceChildren(...guide(rules()));
    ask($("help"));
  });
}
