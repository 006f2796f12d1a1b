package h2

import "net"

// clientPreface is what a client's connection begins with (RFC 9113, section
// 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// prefaced returns nc with the preface in front of what is to be read.
func prefaced(nc net.Conn) net.Conn { return &replay{nc, []byte(clientPreface)} }

type replay struct {
	net.Conn
	early []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.early) > 0 {
		n := copy(p, r.early)
		r.early = r.early[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// CloseWrite ends the sending direction, where nc can.
func (r *replay) CloseWrite() error {
	if c, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
