package wsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// ErrBinary is the cause of a [*DecodeError] for a binary message: JSON comes
// as text.
var ErrBinary = errors.New("websocket: a binary message came where JSON was expected")

// DecodeError says that a message came which is not the value asked for. The
// connection is not harmed, and the message is consumed.
type DecodeError struct {
	// Message is the front of the message, 64 bytes at the most.
	Message []byte

	// Err is [ErrBinary] or the error of [encoding/json].
	Err error
}

// Error quotes the front of the message.
func (e *DecodeError) Error() string {
	if e.Err == ErrBinary {
		return fmt.Sprintf("%v: it begins with %q", e.Err, e.Message)
	}
	return fmt.Sprintf("websocket: message that begins with %q: %v", e.Message, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// maxQuoted is how many bytes of the peer's an error quotes.
const maxQuoted = 64

// keepLimit is the largest buffer, in bytes, that is kept for the next call.
const keepLimit = 64 << 10

// buffers holds what messages are read into and encoded into.
var buffers = bufpool.Pool[*buffer]{New: newBuffer}

type buffer struct {
	bytes.Buffer
	enc *json.Encoder // into Buffer
}

func newBuffer() *buffer {
	b := new(buffer)
	b.enc = json.NewEncoder(&b.Buffer)
	return b
}

// release gives b back, except one that a large message has blown up.
func (b *buffer) release() {
	if b.Cap() <= keepLimit {
		buffers.Put(b)
	}
}

// Read reads the next message as JSON into a new T. The error is a
// [*DecodeError] when the message is not a T; otherwise it is that of
// [websocket.Conn.Read], and a ctx that ends harms nothing.
func Read[T any](ctx context.Context, c *websocket.Conn) (T, error) {
	var v T
	err := readInto(ctx, c, &v)
	if err != nil {
		var zero T // not what was decoded before the error
		return zero, err
	}
	return v, nil
}

func readInto(ctx context.Context, c *websocket.Conn, v any) error {
	b := buffers.Get()
	defer b.release()
	b.Reset()
	mt, p, err := c.Append(ctx, b.AvailableBuffer())
	if err != nil {
		return err
	}
	b.Write(p) // in place where p fitted; otherwise the buffer grows for the next call
	switch {
	case mt != websocket.MessageText:
		err = ErrBinary
	default:
		err = json.Unmarshal(p, v)
	}
	if err != nil {
		return &DecodeError{Message: bytes.Clone(p[:min(len(p), maxQuoted)]), Err: err}
	}
	return nil
}

// Write sends v as JSON in one text message. When v has no JSON, nothing is
// sent and the error is that of [encoding/json]; otherwise it is that of
// [websocket.Conn.Write].
func Write(ctx context.Context, c *websocket.Conn, v any) error {
	b := buffers.Get()
	defer b.release()
	b.Reset()
	if err := b.enc.Encode(v); err != nil {
		return fmt.Errorf("websocket: cannot write a %T as JSON: %w", v, err)
	}
	p := b.Bytes()
	return c.Write(ctx, websocket.MessageText, p[:len(p)-1]) // without the newline of Encode
}
