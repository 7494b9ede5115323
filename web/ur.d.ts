/** The Royal Game of Ur: rules, search and networks in WebAssembly. Squares are path squares; 0 is the hand. */

/** The published rule sets. */
export type RuleSetName = "finkel" | "blitz" | "masters" | "aseb";

/** A position from the view of the side to move. */
export interface Position {
  /** Own squares as a mask: bit s is path square s. */
  own: number;
  /** The opponent's squares, along the opponent's own path. */
  opp: number;
  /** Pieces borne off by the side to move. */
  ownOff: number;
  /** Pieces borne off by the opponent. */
  oppOff: number;
  /** The rule set; "finkel" where it is missing. */
  rules?: RuleSetName;
}

/** A legal move with its value for the side that moves. */
export interface ValuedMove {
  /** The path square that the piece leaves; 0 is the hand. */
  square: number;
  /** Evaluation units of a search, or a win probability of a network. */
  value: number;
}

/** A legal move with its probability in the policy network. */
export interface ProbableMove {
  square: number;
  probability: number;
}

/** The networks of a weights file in the engine's memory. */
export interface Network {
  readonly hasValue: boolean;
  readonly hasPolicy: boolean;
  /** The name of the rule set that it plays. */
  readonly rules: string;
  readonly hiddenSizes: readonly number[];
  readonly activation: "relu" | "silu";
  /** Weights and biases of all its networks. */
  readonly parameters: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The engine. Positions, rolls and moves that the rules forbid raise an Error of one line. */
export class Ur {
  private constructor();

  /** Loads the engine from the bytes of ur.wasm, or from a Response with these bytes. */
  static load(source: BufferSource | Response | PromiseLike<BufferSource | Response>): Promise<Ur>;

  /** The engine's names and limits. */
  readonly constants: Readonly<Record<string, unknown>>;

  /** Bytes of memory that the engine holds, networks and tables included. */
  readonly memoryBytes: number;

  /** Whether the engine plays a rule set. */
  plays(rules: string): boolean;

  /** Squares of the pieces that can move, ascending; empty when the turn passes or the game is over. */
  legalMoves(position: Position, roll: number): number[];

  /** Moves the piece on a square. The position is seen by the next player to move; `again`: the same player. */
  play(position: Position, roll: number, square: number): { position: Position; again: boolean };

  /** The position after a turn that passes. */
  pass(position: Position): Position;

  /** Whether a side has borne off all its pieces. */
  isOver(position: Position): boolean;

  /** The inputs of the networks; with roll null, the default, those before the roll. */
  features(position: Position, roll?: number | null): Float32Array;

  /** Expectiminimax of `depth` turns with the classic evaluation: every legal move, ascending squares. */
  search(position: Position, roll: number, depth: number, weights?: "default" | "evolved"): ValuedMove[];

  /** Loads a parsed weights file, flat or quantised. */
  loadNetwork(document: object): Network;

  /** Frees a network's memory. The network can't be used afterwards. */
  free(net: Network): void;

  /** The win probability of the side to move, before its roll. */
  value(net: Network, position: Position): number;

  /** The mover's win probability after every legal move, `depth` turns looked ahead. */
  networkMoves(net: Network, position: Position, roll: number, depth?: number): ValuedMove[];

  /** The probability of every legal move in the policy network. */
  policy(net: Network, position: Position, roll: number): ProbableMove[];
}

/** A rule set as data: its pieces, dice, and the paths of both players over the board's tiles. */
export interface RuleSet {
  readonly name: RuleSetName;
  readonly title: string;
  readonly pieces: number;
  /** The rolls that the dice can give, ascending. */
  readonly rolls: readonly number[];
  /** The last square of a path. */
  readonly last: number;
  /** The square behind it, which stands for borne off. */
  readonly off: number;
  /** The tiles of the first and of the second player's path, as A4: column and row. */
  readonly paths: readonly [readonly string[], readonly string[]];
  readonly rosettes: ReadonlySet<string>;
}

/** The published rule sets by name. */
export const RULE_SETS: Readonly<Record<RuleSetName, RuleSet>>;

/** The position of a line such as "x.............:0|..............:6". */
export function fromNotation(text: string, rules?: RuleSet): Position;

/** The line of a position. */
export function toNotation(position: Position, rules?: RuleSet): string;
