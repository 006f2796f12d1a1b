package soak_test

import (
	"bytes"
	"fmt"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

// What a client asks for by a message.
const (
	opEcho    = 'e' // answer with as many bytes
	opNone    = '-' // no answer
	opBurst   = 'b' // answer with aux messages
	opPause   = 'p' // stop reading for aux milliseconds
	opDeflate = 'd' // turn compression on or off
	opSleep   = 'h' // hibernate
	opSlow    = 's' // block the callback for aux milliseconds
	opLeave   = 'l' // leave the room
	opPanic   = 'c' // panic
	opGoexit  = 'g' // end the goroutine
	opStop    = 'x' // close with code aux, behind a last message
	opIdle    = 'i' // expect to hear something every aux milliseconds
	opDetach  = 't' // hand the connection over
)

// The streams of messages that a session sends. Each is numbered from 1.
const (
	fromCallback = iota
	fromFirst    // the goroutines outside
	fromSecond
	fromKeyed
	fromRoom
	numStreams
)

// headerSize is that of the header of each message: op, stream, number, aux.
// It is ASCII, so that it fits text.
const headerSize = 2 + 2*digits

const digits = 6 // of 6 bits

// filling is what messages are filled with; it begins at a different place in
// each.
var filling = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), maxMessage/26+2)

const maxMessage = 1 << 20

// header is what each message begins with.
type header struct {
	op, stream byte
	seq, aux   int
}

// appendMessage appends a message of size bytes or more.
func appendMessage(p []byte, h header, size int) []byte {
	p = append(p, h.op, '0'+h.stream)
	p = appendNumber(appendNumber(p, h.seq), h.aux)
	if n := size - headerSize; n > 0 {
		p = append(p, filling[h.seq%26:][:n]...)
	}
	return p
}

func appendNumber(p []byte, v int) []byte {
	for i := range digits {
		p = append(p, '0'+byte(v>>(6*i)&0x3f))
	}
	return p
}

func number(p []byte) (v int) {
	for i := range digits {
		v |= int(p[i]-'0') << (6 * i)
	}
	return v
}

// parse takes a message apart. Every byte of it is checked.
func parse(p []byte) (header, error) {
	if len(p) < headerSize {
		return header{}, fmt.Errorf("a message of %d bytes: %q", len(p), p)
	}
	h := header{p[0], p[1] - '0', number(p[2:]), number(p[2+digits:])}
	if rest := p[headerSize:]; !bytes.Equal(rest, filling[h.seq%26:][:len(rest)]) {
		return h, fmt.Errorf("message %+v of %d bytes is damaged", h, len(p))
	}
	return h, nil
}

// typeOf makes half of the messages text.
func typeOf(h header) websocket.MessageType {
	if h.seq%2 == 0 {
		return frame.OpText
	}
	return frame.OpBinary
}
