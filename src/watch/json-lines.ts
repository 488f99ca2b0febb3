const newline = 0x0a;

/**
 * Splits a byte stream into lines and decodes each. It joins the bytes of a line once, and before it decodes them. So the cost of a line is linear,
 * and a chunk may end inside a character. It drops a last line without a newline, because the stream broke inside that line.
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
