import { protobufType } from '../lib/protobuf/decode-object.ts';
import type { ApiReader, GetOptions } from './api-client.ts';
import { isProtobuf } from './protobuf.ts';

/** As client-go asks for lists and for watches. The server takes the first that it can write. */
const eitherType = `${protobufType}, application/json`;

export interface Response {
  readonly body: AsyncIterable<Uint8Array>;
  readonly isProtobuf: boolean;
}

/** Reads JSON, or whichever of protobuf and JSON the server chooses. Rejects with an ApiError. */
export async function getResponse(
  client: ApiReader,
  path: string,
  options: Omit<GetOptions, 'accept' | 'onHeaders'>,
  acceptsProtobuf: boolean,
): Promise<Response> {
  if (!acceptsProtobuf) return { body: await client.get(path, options), isProtobuf: false };
  let type: string | undefined;
  const body = await client.get(path, {
    ...options,
    accept: eitherType,
    onHeaders: (headers) => (type = headers['content-type']),
  });
  return { body, isProtobuf: isProtobuf(type) };
}
