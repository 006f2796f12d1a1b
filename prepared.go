package websocket

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

// Prepared is a message that is sent to many connections. Its frame is built
// once for those that send messages as they are, and once for each compression
// setting; a connection whose compression remembers earlier messages, and a
// client, which masks, build their own. It may be used by any number of
// goroutines.
type Prepared struct {
	opcode MessageType
	data   []byte
	plain  []byte // the frame a server sends without compression

	mu    sync.Mutex
	coded map[any][]byte
}

// NewPrepared makes a message for [Conn.WritePrepared]. p is copied. Text must
// be UTF-8.
func NewPrepared(t MessageType, p []byte) (*Prepared, error) {
	switch t {
	case MessageText:
		if !utf8.Valid(p) {
			return nil, frame.ErrInvalidUTF8
		}
	case MessageBinary:
	default:
		return nil, &OptionError{Field: "MessageType", Value: t, Want: "MessageText or MessageBinary"}
	}
	plain := frame.Append(nil, frame.Header{Fin: true, Opcode: t}, p)
	return &Prepared{opcode: t, data: bytes.Clone(p), plain: plain}, nil
}

// Message returns the message. Its Data belongs to m and must not be changed.
func (m *Prepared) Message() Message { return Message{Type: m.opcode, Data: m.data} }

// Frame returns the whole frame that carries the message from the server's end
// of a connection, for shells that write it themselves; [Conn.WritePrepared] is
// made of it. All connections with the same compression settings get the same
// bytes: they belong to m and must not be changed. Nil without an error means
// that this connection has to build its own, by [protocol.Sender.AppendMessage]
// from [Prepared.Message], because its compression remembers earlier messages.
//
// send is the Sender of the connection, of [protocol.RoleServer], and codec the
// codec it was made with, nil for none. The caller sees to it that nobody else
// uses send meanwhile, and that a message may be sent: no fragmented message is
// open and no close frame was made. The errors are those of the codec. An
// OnHeader of send may hear nothing of the frame; who traces builds its own.
func (m *Prepared) Frame(send *protocol.Sender, codec extension.Codec) ([]byte, error) {
	if !send.Coding() {
		if codec != nil && codec.RSV() == 0 {
			return nil, nil // one that cannot be left out, only told to skip
		}
		return m.plain, nil
	}
	s, ok := codec.(extension.Sharer)
	if !ok {
		return nil, nil
	}
	key, ok := s.ShareKey()
	if !ok {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.coded[key]; ok {
		return f, nil
	}
	f, err := send.AppendMessage(nil, m.opcode, m.data)
	if err != nil {
		return nil, err
	}
	if m.coded == nil {
		m.coded = make(map[any][]byte)
	}
	m.coded[key] = f
	return f, nil
}
