package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/stream"
)

// readSize is how much is read at once, and so the most bytes that can come
// along with the answer. The connection reads the others.
const readSize = 4 << 10

// Wire1 is a connection of HTTP/1.1 that is there for one opening handshake. It
// holds nothing that must be given back but its Link.
type Wire1 struct {
	link *Link
	req  []byte
	rest []byte // what came behind the head
}

// NewWire1 returns a wire for req on l.
func NewWire1(l *Link, req *Opening) *Wire1 { return &Wire1{link: l, req: req.Raw} }

// Exchange sends the request and returns the head of the final answer.
func (w *Wire1) Exchange(context.Context) (r *h1.Response, err error) {
	r, w.rest, err = exchange(w.link, w.req)
	return r, err
}

// Transport returns what carries the connection from now on.
func (w *Wire1) Transport() (stream.Transport, []byte) { return stream.New(w.link.Conn), w.rest }

// Abort closes the socket.
func (w *Wire1) Abort() { w.link.Socket.Close() }

// Addr returns the server's address.
func (w *Wire1) Addr() string { return w.link.Addr }

// Body reads the body of a refusal.
func (w *Wire1) Body(r *h1.Response, limit int64) ([]byte, error) {
	data := []byte{}
	f, err := r.Framing(http.MethodGet)
	if err != nil {
		return data, err
	}
	body := h1.NewBody(f, h1.Limits{})
	full := func() bool { return body.Done() || limit > 0 && int64(len(data)) >= limit }
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	for in := w.rest; ; {
		for len(in) > 0 && !full() {
			n, piece, err := body.Next(in)
			if err != nil {
				return data, err
			}
			data = append(data, piece...)
			in = in[n:]
		}
		if full() {
			break
		}
		n, err := w.link.Read(buf)
		if in = buf[:n]; n == 0 && err != nil {
			break // what came so far is worth more than the reason it ended
		}
	}
	if limit > 0 && int64(len(data)) > limit {
		data = data[:limit]
	}
	return data, nil
}

// exchange sends a request in one write and reads the head of the final answer.
// rest is what came behind it.
func exchange(c net.Conn, req []byte) (r *h1.Response, rest []byte, err error) {
	if _, err := c.Write(req); err != nil {
		return nil, nil, err
	}
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	p := h1.NewResponseParser(h1.Limits{})
	for {
		n, err := c.Read(buf)
		for in := buf[:n]; len(in) > 0; {
			m, r, err := p.Next(in)
			if err != nil {
				return nil, nil, spokenError(in, err)
			}
			in = in[m:]
			if r != nil && !r.Interim() {
				return r, append(rest, in...), nil
			}
		}
		switch {
		case err == io.EOF && p.InHead():
			return nil, nil, fmt.Errorf("the connection was closed in the middle of the answer: %w", io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil, nil, fmt.Errorf("the connection was closed without an answer: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, nil, err
		}
	}
}

// spokenError adds a hint to the error for an answer that is not HTTP/1.1.
func spokenError(in []byte, err error) error {
	switch {
	case errors.Is(err, h1.ErrVersion):
		return fmt.Errorf("%w: %w", handshake.ErrHTTPVersion, err)
	case in[0] == 0x15:
		return fmt.Errorf("%w (a TLS alert): use wss:// or another port", err)
	}
	return err
}
