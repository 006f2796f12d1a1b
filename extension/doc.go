// Package extension is the Sec-WebSocket-Extensions header (RFC 6455, section
// 9.1) and the two interfaces an extension implements: [Extension], its
// configuration, which takes part in the opening handshake, and [Codec], its
// state on one connection, which changes messages on their way.
//
// The deflate package holds the one extension in wide use, permessage-deflate.
package extension
