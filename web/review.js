// What each move gave away, and luck against skill, judged by a network: the same definitions as `python -m mlx_train
// analyze` (mlx_train/playing/review.py, mlx_train/measuring/luck.py).
//
// A turn's verdict is {before, best, after, regret, square, moves}: the mover's win probability before the roll, after the roll
// with the best move, and after the move that was played; `regret` is best - after, null where there was no choice;
// `square` is the best move's; `moves` has every legal move's {square, value}. Luck is what the roll changed, best - before.

/** The least share of win probability that a marked move gives away, the mark's sign and its name. */
export const MARKS = [
  { least: 0.08, sign: "??", name: "very bad" },
  { least: 0.04, sign: "?", name: "bad" },
  { least: 0.02, sign: "?!", name: "doubtful" },
];
const TIE = 1e-9;

/** The verdict on a turn. `judged` is the worker's answer: {before, best, moves}; `square` is null for a pass. */
export function verdictOn({ before, best, moves }, square) {
  const played = moves.find((move) => move.square === square);
  const after = played ? played.value : best;
  const top = moves.find((move) => move.value === best);
  return { before, best, after, regret: moves.length > 1 ? best - after : null, square: top?.square ?? null, moves };
}

/** The mark of a regret, rounded as it is shown; null without a mark. */
export function markOf(regret) {
  return MARKS.find(({ least }) => Math.round(1e4 * (regret ?? 0)) >= 1e4 * least) ?? null;
}

export const isBest = (regret) => regret <= TIE;

/** A regret in points: "-2.31 ?!", or "best". */
export function regretText(regret) {
  if (regret === null) return "";
  if (isBest(regret)) return "best";
  return `−${(100 * regret).toFixed(2)} ${markOf(regret)?.sign ?? ""}`.trim();
}

/** Player 0's win probability from the mover's. */
export const firstShare = (player, share) => (player === 0 ? share : 1 - share);

/** The numbers of the turns with a mark. */
export function mistakes(turns) {
  return turns.flatMap(({ verdict }, index) => (markOf(verdict?.regret) ? [index] : []));
}

/** The costliest marked turns, as numbers, the costliest first. */
export function costliest(turns, count = 3) {
  const given = (index) => turns[index].verdict.regret;
  return mistakes(turns)
    .sort((one, other) => given(other) - given(one))
    .slice(0, count);
}

/** What a player did: decisions, the share of best moves, points given away and points of luck; sums of shares. */
export function totals(turns, player) {
  const own = turns.filter((turn) => turn.player === player && turn.verdict);
  const regrets = own.map(({ verdict }) => verdict.regret).filter((regret) => regret !== null);
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  return {
    decisions: regrets.length,
    bestShare: regrets.length ? regrets.filter(isBest).length / regrets.length : null,
    givenAway: sum(regrets),
    luck: sum(own.map(({ verdict }) => verdict.best - verdict.before)),
    marks: MARKS.map(({ sign }) => regrets.filter((regret) => markOf(regret)?.sign === sign).length),
  };
}
