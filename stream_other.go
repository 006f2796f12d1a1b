//go:build !unix

package websocket

import "net"

// platformStream has nothing better here than reading into a buffer that is
// held while waiting.
func platformStream(c net.Conn) Stream { return plainStream{c} }
