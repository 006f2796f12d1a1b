package wstest

import (
	"bytes"

	"github.com/lariat-go/websocket/frame"
)

// Frame is a frame to send or to expect. Length is always that of Payload.
type Frame struct {
	frame.Header
	Payload []byte // unmasked
}

func newFrame(op frame.Opcode, p []byte) Frame {
	return Frame{frame.Header{Fin: true, Opcode: op, Length: int64(len(p))}, p}
}

// Text is a text message in one frame.
func Text(s string) Frame { return newFrame(frame.OpText, []byte(s)) }

// Binary is a binary message in one frame.
func Binary(p []byte) Frame { return newFrame(frame.OpBinary, p) }

// Continuation is the last frame of a message; make it one in the middle with
// NotFinal.
func Continuation(p []byte) Frame { return newFrame(frame.OpContinuation, p) }

// Ping is a ping.
func Ping(p []byte) Frame { return newFrame(frame.OpPing, p) }

// Pong is a pong.
func Pong(p []byte) Frame { return newFrame(frame.OpPong, p) }

// Close is a close frame. [frame.StatusNoStatusRcvd] with no reason is the
// empty one. The code and the reason are not checked, so that wrong ones can
// be sent.
func Close(code frame.StatusCode, reason string) Frame {
	var p []byte
	if code != frame.StatusNoStatusRcvd || reason != "" {
		p = append([]byte{byte(code >> 8), byte(code)}, reason...)
	}
	return newFrame(frame.OpClose, p)
}

// NotFinal returns f without its FIN bit.
func (f Frame) NotFinal() Frame {
	f.Fin = false
	return f
}

// Append appends the frame as it is on the wire.
func (f Frame) Append(dst []byte) []byte { return frame.Append(dst, f.Header, f.Payload) }

// String describes the frame as [Dump] does.
func (f Frame) String() string {
	f.Length = int64(len(f.Payload))
	return describe(f.Header, f.Payload)
}

// same reports whether two frames are equal but for the masking-key.
func (f Frame) same(g Frame) bool {
	return f.Fin == g.Fin && f.RSV == g.RSV && f.Opcode == g.Opcode && f.Masked == g.Masked && bytes.Equal(f.Payload, g.Payload)
}
