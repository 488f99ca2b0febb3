/** What the measured process says, as one line of JSON. Times are in seconds. */
export interface Measured {
  /** All the events that the lists bring, through the indexer. */
  readonly receive: number;
  readonly compile: number;
  /** Of the scripts of all stages. */
  readonly render: number;
  /** All that comes before: reading, parsing and decoding the pages. */
  readonly decode: number;
  /** Of the process, from its start to the end. */
  readonly peakMB: number;
  readonly objects: number;
  readonly policies: number;
  readonly localPods: number;
  readonly scriptMB: number;
}
