import { Told } from "../told";

/** What a draw cannot do. */
export class ConditionError extends Told {}
