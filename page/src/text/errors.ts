import { Told } from "../told";

/** A list that cannot be read. */
export class ListError extends Told {}
