package frame_test

import (
	"errors"
	"fmt"

	"github.com/lariat-go/websocket/frame"
)

// A masked text frame, as a client sends it (RFC 6455, section 5.7).
func ExampleAppend() {
	h := frame.Header{
		Fin:    true,
		Opcode: frame.OpText,
		Masked: true,
		Mask:   frame.Mask{0x37, 0xfa, 0x21, 0x3d}, // fresh and random in earnest
	}
	fmt.Printf("% x\n", frame.Append(nil, h, []byte("Hello")))
	// Output: 81 85 37 fa 21 3d 7f 9f 4d 51 58
}

// Headers are read from a buffer that fills as bytes arrive.
func ExampleParseHeader() {
	arrived := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	for i := range len(arrived) {
		h, n, err := frame.ParseHeader(arrived[:i])
		if err != nil {
			fmt.Println(err)
			return
		}
		if n == 0 {
			continue // needs more bytes
		}
		fmt.Printf("%v frame, %d bytes of payload behind %d of header\n", h.Opcode, h.Length, n)
		payload := arrived[n : n+int(h.Length)]
		h.Mask.XOR(payload, 0)
		fmt.Printf("%s\n", payload)
		return
	}
	// Output:
	// text frame, 5 bytes of payload behind 6 of header
	// Hello
}

func ExampleAppendHeader() {
	h := frame.Header{Fin: true, Opcode: frame.OpBinary, Length: 1 << 16}
	fmt.Printf("% x\n", frame.AppendHeader(nil, h))
	// Output: 82 7f 00 00 00 00 00 01 00 00
}

// A payload that comes in pieces is unmasked piece by piece.
func ExampleMask_XOR() {
	m := frame.Mask{0x37, 0xfa, 0x21, 0x3d}
	first, second := []byte{0x7f, 0x9f, 0x4d}, []byte{0x51, 0x58}
	m.XOR(first, 0)
	m.XOR(second, int64(len(first)))
	fmt.Printf("%s%s\n", first, second)
	// Output: Hello
}

func ExampleAppendClose() {
	p, err := frame.AppendClose(nil, frame.StatusGoingAway, "back soon")
	fmt.Printf("%q %v\n", p, err)
	_, err = frame.AppendClose(nil, frame.StatusAbnormalClosure, "")
	fmt.Println(err)
	// Output:
	// "\x03\xe9back soon" <nil>
	// websocket: status code must not stand in a close frame (RFC 6455, section 7.4)
}

func ExampleParseClose() {
	code, reason, err := frame.ParseClose([]byte("\x03\xe9back soon"))
	fmt.Println(code, reason, err)
	code, _, err = frame.ParseClose(nil)
	fmt.Println(code, err)
	// Output:
	// 1001 (going away) back soon <nil>
	// 1005 (no status received) <nil>
}

// A violation says what was broken, where that is written, and how to close.
func ExampleViolation() {
	_, _, err := frame.ParseHeader([]byte{0x82, 0x7e, 0x00, 0x05})
	var v frame.Violation
	if errors.As(err, &v) {
		fmt.Println(v)
		fmt.Println(v.Status())
	}
	fmt.Println(errors.Is(err, frame.ErrLengthNotMinimal))
	// Output:
	// websocket: payload length not in its shortest form (RFC 6455, section 5.2)
	// 1002 (protocol error)
	// true
}
