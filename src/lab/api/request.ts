import type { IncomingMessage } from 'node:http';
import { decodeObject, protobufType } from '../../lib/protobuf/decode-object.ts';
import { isJsonObject, type JsonObject } from './object.ts';
import { ApiError, badRequest, unsupportedMediaType } from './status.ts';
import { parseMediaType } from './media-type.ts';
import { messages } from './protobuf-messages.ts';

const jsonType = 'application/json';
const bodyLimit = 3 * 1024 * 1024;

/** The JSON body, with a media type of `accepted`; `undefined` without a body. Rejects with 400, 413 or 415. */
export async function readBody(request: IncomingMessage, accepted: readonly string[]): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  if (!accepted.includes(contentType(request))) throw unsupportedMediaType(accepted);
  return parseJson(bytes);
}

/** The body, which must be an object. */
export async function readObjectBody(request: IncomingMessage): Promise<JsonObject> {
  const bytes = await readBytes(request);
  const type = contentType(request);
  if (type !== jsonType && type !== protobufType) throw unsupportedMediaType([jsonType, protobufType]);
  const body = type === protobufType ? parseProtobuf(bytes) : parseJson(bytes);
  if (!isJsonObject(body)) throw badRequest("couldn't get version/kind; json parse error: the body is no object");
  return body;
}

export function contentType(request: IncomingMessage): string {
  return parseMediaType(request.headers['content-type'] ?? jsonType).type;
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Does not destroy the stream: the refusal is sent on the same socket.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyLimit) {
      throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${bodyLimit}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

function parseProtobuf(bytes: Buffer): JsonObject {
  try {
    return decodeObject(messages, bytes, 'refuse');
  } catch (error) {
    const why = `the body of the request was in an unknown format: ${(error as Error).message}`;
    throw new ApiError(415, 'UnsupportedMediaType', why);
  }
}

export function readInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?[0-9]{1,15}$/.test(text))
    throw badRequest(`invalid ${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

export function readBoolean(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text === 'true' || text === '1';
}
