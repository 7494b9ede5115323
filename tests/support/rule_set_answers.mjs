// What ur.wasm says of positions of every rule set, as JSON for tests/portable/test_wasm.py.
//
//     node tests/support/rule_set_answers.mjs UR_WASM QUESTIONS
//
// QUESTIONS is a JSON file: for each rule set a list of [notation, roll], and a weights file as an object.
import { readFileSync } from "node:fs";
import { fromNotation, toNotation } from "../../web/notation.js";
import { RULE_SETS } from "../../web/rules.js";
import { Ur } from "../../web/ur.js";

const [wasm, questions] = process.argv.slice(2);
const ur = await Ur.load(readFileSync(wasm));
const answers = {};
for (const [rules, { turns, weights }] of Object.entries(JSON.parse(readFileSync(questions, "utf8")))) {
  const network = ur.loadNetwork(weights);
  answers[rules] = turns.map(([notation, roll]) => {
    const position = { ...fromNotation(notation, RULE_SETS[rules]), rules };
    const moves = ur.legalMoves(position, roll);
    return {
      moves,
      after: moves.map((square) => {
        const { position: after, again } = ur.play(position, roll, square);
        return [toNotation(after, RULE_SETS[rules]), again];
      }),
      features: [...ur.features(position, roll)],
      search: ur.search(position, roll, 2).map(({ value }) => value),
      value: ur.value(network, position),
      ahead: ur.networkMoves(network, position, roll, 2).map(({ value }) => value),
      policy: ur.policy(network, position, roll).map(({ probability }) => probability),
    };
  });
  const other = rules === "finkel" ? "blitz" : "finkel";
  try {
    ur.value(network, { own: 0, opp: 0, ownOff: 0, oppOff: 0, rules: other });
  } catch (error) {
    answers[`${rules} refusal`] = error.message;
  }
}
console.log(JSON.stringify(answers));
