package protocol

import (
	"math"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/maskkey"
)

// The limits that hold where [Options] says nothing.
const (
	DefaultMaxMessageSize    = 1 << 20 // bytes
	DefaultMaxFragments      = 16384   // frames of one message
	DefaultMaxEmptyFragments = 64      // of one message, the last frame not counted
	DefaultControlBurst      = 200     // pings and pongs
)

// Role says which end of the connection a value belongs to. A client masks
// what it sends and a server must not (RFC 6455, section 5.1), so a RoleServer
// [Receiver] wants masked frames and a RoleServer [Sender] writes unmasked
// ones.
type Role uint8

// The two ends of a connection.
const (
	RoleServer Role = iota + 1
	RoleClient
)

// String returns "server" or "client".
func (r Role) String() string {
	switch r {
	case RoleServer:
		return "server"
	case RoleClient:
		return "client"
	}
	return "unknown role"
}

// Options are the settings of a [Receiver], a [Sender] and an [Endpoint]. The
// zero value, and a nil pointer, give the defaults. In each limit 0 means the
// default and a negative number means none. Options are copied.
type Options struct {
	// Codec is the extension the opening handshake agreed on, nil for none.
	// A codec that owns no reserved bit sees every message; one that owns
	// some sees the messages that carry exactly them.
	Codec extension.Codec

	// MaxMessageSize is the largest message accepted, in bytes; by default
	// 1 MiB. It bounds the payload on the wire, judged by the declared length
	// as soon as the header shows it, and what a Codec makes of it.
	MaxMessageSize int64

	// MaxFragments is the largest number of frames a message may come in, by
	// default 16384.
	MaxFragments int

	// MaxEmptyFragments is how many frames of a message may be empty, the
	// last one not counted; by default 64.
	MaxEmptyFragments int

	// ControlBurst is how many pings and pongs are accepted before
	// [Receiver.RefillControls] is needed, by default 200.
	ControlBurst int

	// SkipUTF8 leaves text unchecked in both directions. RFC 6455, section
	// 8.1 demands the check: skip it only where the peer is trusted.
	SkipUTF8 bool

	// Mask gives the masking-key for each frame of a RoleClient Sender. By
	// default keys come from crypto/rand, as RFC 6455, section 10.3 demands;
	// set it in tests only. It is called by the goroutine that sends.
	Mask func() frame.Mask

	// OnHeader is called with the header of each frame, when the header is
	// complete: sent is false for a received one. It is called by the
	// goroutine that receives or sends, and must not call back.
	OnHeader func(sent bool, h frame.Header)
}

func maxSize(n int64) int64 {
	switch {
	case n == 0:
		return DefaultMaxMessageSize
	case n < 0:
		return math.MaxInt64
	}
	return n
}

// count turns a limit into its inner form, in which 0 means none.
func count(n, byDefault int) int32 {
	switch {
	case n == 0:
		return int32(byDefault)
	case n < 0:
		return 0
	}
	return int32(min(n, math.MaxInt32))
}

func maskFunc(role Role, o *Options) func() frame.Mask {
	switch {
	case role != RoleClient:
		return nil
	case o.Mask != nil:
		return o.Mask
	}
	return maskkey.New
}
