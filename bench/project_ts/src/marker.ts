export const MARKER = "first";
