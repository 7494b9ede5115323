// Draws the dice, and what they count.
import { drawing, make, still } from "./dom.js";
import { rollOf } from "./game.js";

/**
 * Shows dice of a rule set: an array has each die's tip (0 or 1), a number is a roll whose dice are not known, null is
 * a turn before its roll.
 */
export function showDice(root, rules, shown, animate) {
  const { count, none } = rules.dice;
  const roll = Array.isArray(shown) ? rollOf(rules, shown) : shown;
  const tips = Array.isArray(shown)
    ? shown
    : Array.from({ length: count }, (_, die) => Number(shown !== none && die < shown));
  const drawings = tips.map((tip) => drawing("die", tip ? "die marked" : "die"));
  root.replaceChildren(...drawings, make("span", "total", {}, roll === null ? "" : String(roll)));
  root.setAttribute("aria-label", roll === null ? "The dice are not rolled yet" : `Rolled ${roll}`);
  if (!animate || !Array.isArray(shown) || still()) return;
  drawings.forEach((die, index) =>
    die.animate([{ transform: `rotate(${90 + 60 * index}deg) scale(0.7)` }, { transform: "none" }], {
      duration: 260 + 50 * index,
      easing: "cubic-bezier(0.2, 0.9, 0.3, 1.2)",
    }),
  );
}
