/** Output of the measured process, one line of JSON. Times in seconds. */
export interface Measured {
  /** The indexer's time for all events of the lists. */
  readonly receive: number;
  readonly compile: number;
  /** Rendering of the scripts of all stages. */
  readonly render: number;
  /** Reading, parsing and decoding the pages. */
  readonly decode: number;
  /** Peak memory of the process. */
  readonly peakMB: number;
  readonly objects: number;
  readonly policies: number;
  readonly localPods: number;
  readonly scriptMB: number;
}
