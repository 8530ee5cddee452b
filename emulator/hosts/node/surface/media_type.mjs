/** MIME types as `Blob.type` and `formData()` want them. */

/** A content type without spaces around its parts, empty for none. @param {string | null} contentType */
export function mediaType(contentType) {
  if (contentType === null) return "";
  return contentType
    .split(";")
    .map((part) => part.trim())
    .join(";");
}

/** Its essence, in lower case: `text/html`. @param {string} contentType */
export function essence(contentType) {
  return contentType.split(";", 1)[0].trim().toLowerCase();
}

/** A parameter, without its quotes; null when it is not there. @param {string} contentType @param {string} name */
export function parameter(contentType, name) {
  for (const part of contentType.split(";").slice(1)) {
    const at = part.indexOf("=");
    if (at < 0 || part.slice(0, at).trim().toLowerCase() !== name) continue;
    const value = part.slice(at + 1).trim();
    return value.startsWith('"') ? value.slice(1, value.endsWith('"') ? -1 : undefined).replace(/\\(.)/g, "$1") : value;
  }
  return null;
}
