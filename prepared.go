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

// frame returns the frame to send on c, nil when c has to build its own. c.mu
// is held.
func (m *Prepared) frame(c *Conn) ([]byte, error) {
	if c.conf.role != protocol.RoleServer || c.conf.traced {
		return nil, nil
	}
	if !c.send.Coding() {
		return m.plain, nil
	}
	s, ok := c.conf.codec.(extension.Sharer)
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
	f, err := c.send.AppendMessage(nil, m.opcode, m.data)
	if err != nil {
		return nil, err
	}
	if m.coded == nil {
		m.coded = make(map[any][]byte)
	}
	m.coded[key] = f
	return f, nil
}
