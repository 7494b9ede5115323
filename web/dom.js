// Small helpers for elements.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** Whether the person's system asks for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A new element with a class, attributes and children. */
export function make(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A new SVG element with attributes and children. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An SVG that shows one symbol of the page's sheet. */
export function drawing(symbol, className) {
  return draw("svg", { class: className, "aria-hidden": "true" }, draw("use", { href: `#${symbol}` }));
}

/** A player's disc or ring, as a sign before a name. */
export const swatch = (player, attributes = { "aria-hidden": "true" }) => {
  const sign = drawing(`piece-${player}`, "swatch");
  sign.removeAttribute("aria-hidden");
  for (const [name, value] of Object.entries(attributes)) sign.setAttribute(name, value);
  return sign;
};

/** A text that only a screen reader reads. */
export const unseen = (text) => make("span", "unseen", {}, text);

/** Sets the text of an element if it differs, so that a live region speaks only of changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Adds an option to a select, in a group. */
export function addOption(select, group, value, label) {
  let parent = [...select.children].find((child) => child.label === group);
  if (!parent) select.append((parent = make("optgroup", "", { label: group })));
  if (![...select.options].some((option) => option.value === value)) parent.append(new Option(label, value));
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
