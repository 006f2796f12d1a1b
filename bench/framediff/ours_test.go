package framediff

import (
	"fmt"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

// sizeLimit is the largest message for all readers. It is small, so that a
// fuzzer reaches it.
const sizeLimit = 1 << 10

// transcript is what a reader made of a stream.
type transcript struct {
	events []string // in order: text, binary, ping, pong, close with payload
}

func (t *transcript) message(text bool, p []byte) {
	kind := "binary"
	if text {
		kind = "text"
	}
	t.events = append(t.events, fmt.Sprintf("%s %x", kind, p))
}

func (t *transcript) ping(p []byte) { t.events = append(t.events, fmt.Sprintf("ping %x", p)) }
func (t *transcript) pong(p []byte) { t.events = append(t.events, fmt.Sprintf("pong %x", p)) }

func (t *transcript) close(code uint16, reason string) {
	t.events = append(t.events, fmt.Sprintf("close %d %x", code, reason))
}

// reading is one run of this library's receiver.
type reading struct {
	transcript
	err  error
	end  int  // offset after the last frame that is there in full
	open bool // a message has begun before end and not ended
	code frame.StatusCode
}

// readOurs reads a stream. p is not changed.
func readOurs(p []byte, skipUTF8 bool) reading {
	var (
		res    reading
		at     int64 // end of the last header seen, with its payload
		ends   []int64
		isOpen []bool
		open   bool
	)
	r := protocol.NewReceiver(protocol.RoleServer, &protocol.Options{
		MaxMessageSize: sizeLimit,
		// The others have no such limits.
		MaxFragments: -1, MaxEmptyFragments: -1, ControlBurst: -1,
		SkipUTF8: skipUTF8,
		OnHeader: func(_ bool, h frame.Header) {
			at += int64(len(frame.AppendHeader(nil, h))) + h.Length
			if !h.Opcode.IsControl() {
				open = !h.Fin
			}
			ends, isOpen = append(ends, at), append(isOpen, open)
		},
	})
	defer r.Close()
	rest := append([]byte(nil), p...)
	var msg []byte
	for {
		n, ev, ok, err := r.Next(rest)
		rest = rest[n:]
		if err != nil || !ok {
			res.err = err
			break
		}
		switch ev.Kind {
		case protocol.EventPing:
			res.ping(ev.Data)
		case protocol.EventPong:
			res.pong(ev.Data)
		case protocol.EventClose:
			res.code = ev.Code
			res.close(uint16(ev.Code), ev.Reason)
		case protocol.EventData:
			if msg = append(msg, ev.Data...); ev.Final {
				res.message(ev.Opcode == frame.OpText, msg)
				msg = nil
			}
		}
	}
	for i, e := range ends {
		if e <= int64(len(p)) {
			res.end, res.open = int(e), isOpen[i]
		}
	}
	return res
}

// completed turns any input into a stream on which all readers must agree,
// however early or late they look: what is refused goes on with zeros, so that
// a reader that needs the whole frame to refuse it has one; what is not refused
// is cut after its last whole frame and ends with a message that every reader
// has to deliver.
func completed(p []byte) []byte {
	res := readOurs(p, true)
	p = append([]byte(nil), p...)
	if res.err != nil {
		return append(p, make([]byte, 2*sizeLimit)...)
	}
	p = p[:res.end]
	if res.code != 0 {
		return p
	}
	mask := frame.Mask{1, 2, 3, 4}
	if res.open {
		p = frame.AppendHeader(p, frame.Header{Fin: true, Opcode: frame.OpContinuation, Masked: true, Mask: mask})
	}
	return frame.Append(p, frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true, Mask: mask}, []byte("the end"))
}

func TestCompleted(t *testing.T) {
	ping := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpPing, Masked: true}, []byte("x"))
	for name, p := range map[string][]byte{
		"nothing":         nil,
		"half a header":   ping[:3],
		"half a payload":  ping[:len(ping)-1],
		"open message":    frame.Append(nil, frame.Header{Opcode: frame.OpText, Masked: true}, []byte("a")),
		"open and a ping": append(frame.Append(nil, frame.Header{Opcode: frame.OpText, Masked: true}, []byte("a")), ping...),
	} {
		res := readOurs(completed(p), true)
		if res.err != nil || len(res.events) == 0 || res.events[len(res.events)-1] != fmt.Sprintf("binary %x", "the end") {
			t.Errorf("%s: the completed stream gives %q, %v", name, res.events, res.err)
		}
	}
}
