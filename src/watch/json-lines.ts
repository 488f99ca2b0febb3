const newline = 0x0a;

/**
 * Splits a byte stream into lines and decodes each. Bytes are joined before they are decoded, so a character cut by a chunk
 * survives, and joined once a line, so a long line costs no more than its length. A last line without its end is dropped: the
 * stream broke inside it.
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let pending: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      pending.push(chunk.subarray(start, end));
      const line = Buffer.concat(pending).toString('utf8').trim();
      pending = [];
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
  }
}
