package h2

// clientPreface is what a client's connection begins with (RFC 9113, section
// 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
