package deflate

import (
	"fmt"
	"strconv"

	"github.com/lariat-go/websocket/extension"
)

// The parameters of RFC 7692, section 7.1.
const (
	serverNoTakeover    = "server_no_context_takeover"
	clientNoTakeover    = "client_no_context_takeover"
	serverMaxWindowBits = "server_max_window_bits"
	clientMaxWindowBits = "client_max_window_bits"
)

// wire is an offer or a response as it was read.
type wire struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int  // 0: none given
	clientBitsOffered                  bool // the parameter was there, with or without value
}

// params is what both ends have agreed on.
type params struct {
	serverTakeover, clientTakeover bool
	serverBits, clientBits         int
}

// parse reads the parameters of an offer, or of a response, where
// client_max_window_bits must have a value. RFC 7692, section 7: a parameter
// that is not defined, is given twice or has an invalid value declines the
// offer, and fails the connection when it is in the response.
func parse(ps []extension.Param, response bool) (w wire, err error) {
	seen := make(map[string]bool, 4)
	for _, p := range ps {
		if seen[p.Name] {
			return w, fmt.Errorf("websocket: %s parameter %.64q is given twice", Name, p.Name)
		}
		seen[p.Name] = true
		ok := true
		switch p.Name {
		case serverNoTakeover:
			w.serverNoTakeover, ok = true, p.Value == ""
		case clientNoTakeover:
			w.clientNoTakeover, ok = true, p.Value == ""
		case serverMaxWindowBits:
			w.serverBits, ok = parseBits(p.Value)
		case clientMaxWindowBits:
			w.clientBitsOffered = true
			if p.Value != "" || response {
				w.clientBits, ok = parseBits(p.Value)
			}
		default:
			return w, fmt.Errorf("websocket: %s has no parameter %.64q", Name, p.Name)
		}
		if !ok {
			return w, fmt.Errorf("websocket: %s parameter %s has the value %.64q", Name, p.Name, p.Value)
		}
	}
	return w, nil
}

// parseBits reads a decimal integer without leading zeros from 8 to 15 (RFC
// 7692, section 7.1.2).
func parseBits(s string) (n int, ok bool) {
	for n = minWindowBits; n <= maxWindowBits; n++ {
		if s == strconv.Itoa(n) {
			return n, true
		}
	}
	return 0, false
}

// Offer returns the one offer that the options describe. While the budget of
// contexts is spent, it asks for no takeover.
func (d *deflater) Offer() []extension.Offer {
	if d.err != nil {
		return nil
	}
	p := d.wanted()
	if n := contexts(p, false); n > 0 {
		if !d.reserve(n) {
			p.serverTakeover, p.clientTakeover = false, false
		} else {
			d.used.Add(-n)
		}
	}
	o := extension.Offer{Name: Name, Params: make([]extension.Param, 0, 4)}
	if !p.serverTakeover {
		o.Params = append(o.Params, extension.Param{Name: serverNoTakeover})
	}
	if !p.clientTakeover {
		o.Params = append(o.Params, extension.Param{Name: clientNoTakeover})
	}
	if p.serverBits < maxWindowBits {
		o.Params = append(o.Params, extension.Param{Name: serverMaxWindowBits, Value: strconv.Itoa(p.serverBits)})
	}
	// Without this parameter a server could not ask for a smaller window.
	bits := extension.Param{Name: clientMaxWindowBits}
	if p.clientBits < maxWindowBits {
		bits.Value = strconv.Itoa(p.clientBits)
	}
	o.Params = append(o.Params, bits)
	return []extension.Offer{o}
}

func (d *deflater) wanted() params {
	return params{
		serverTakeover: d.o.ServerContextTakeover,
		clientTakeover: d.o.ClientContextTakeover,
		serverBits:     d.o.ServerMaxWindowBits,
		clientBits:     d.o.ClientMaxWindowBits,
	}
}

// Accept answers an offer with what both sides can do. It declines an offer
// with a parameter that is unknown, doubled or out of its range.
func (d *deflater) Accept(offer extension.Offer) (response extension.Offer, c extension.Codec, ok bool) {
	w, err := parse(offer.Params, false)
	if err != nil || d.err != nil {
		return extension.Offer{}, nil, false
	}
	p := d.wanted()
	p.serverTakeover = p.serverTakeover && !w.serverNoTakeover
	p.clientTakeover = p.clientTakeover && !w.clientNoTakeover
	if w.serverBits != 0 {
		p.serverBits = min(p.serverBits, w.serverBits)
	}
	if !w.clientBitsOffered {
		p.clientBits = maxWindowBits // the client cannot be held to less
	} else if w.clientBits != 0 {
		p.clientBits = min(p.clientBits, w.clientBits)
	}
	held := contexts(p, true)
	if !d.reserve(held) {
		p.serverTakeover, p.clientTakeover, held = false, false, 0
	}

	response = extension.Offer{Name: Name}
	if !p.serverTakeover {
		response.Params = append(response.Params, extension.Param{Name: serverNoTakeover})
	}
	if !p.clientTakeover {
		response.Params = append(response.Params, extension.Param{Name: clientNoTakeover})
	}
	// An offer with server_max_window_bits is accepted by answering the same
	// or a smaller value, 15 too (RFC 7692, section 7.1.2.1).
	if w.serverBits != 0 || p.serverBits < maxWindowBits {
		response.Params = append(response.Params, extension.Param{Name: serverMaxWindowBits, Value: strconv.Itoa(p.serverBits)})
	}
	if p.clientBits < maxWindowBits {
		response.Params = append(response.Params, extension.Param{Name: clientMaxWindowBits, Value: strconv.Itoa(p.clientBits)})
	}
	return response, newCodec(d, p, true, held), true
}

// Confirm checks the server's answer to [deflater.Offer]. The error says which
// parameter the server should not have sent, or left out.
func (d *deflater) Confirm(response extension.Offer) (extension.Codec, error) {
	if d.err != nil {
		return nil, d.err
	}
	w, err := parse(response.Params, true)
	if err != nil {
		return nil, err
	}
	p := d.wanted()
	// RFC 7692, section 7.1.1.1: a server that accepts the demand repeats it.
	if !p.serverTakeover && !w.serverNoTakeover {
		return nil, fmt.Errorf("websocket: %s was accepted without %s; set ServerContextTakeover to talk to this server", Name, serverNoTakeover)
	}
	// Section 7.1.2.1: with the same or a smaller value.
	if p.serverBits < maxWindowBits && (w.serverBits == 0 || w.serverBits > p.serverBits) {
		return nil, fmt.Errorf("websocket: %s was accepted without %s of at most %d; leave ServerMaxWindowBits unset to talk to this server", Name, serverMaxWindowBits, p.serverBits)
	}
	p.serverTakeover = p.serverTakeover && !w.serverNoTakeover
	p.clientTakeover = p.clientTakeover && !w.clientNoTakeover
	if w.serverBits != 0 {
		p.serverBits = w.serverBits
	}
	if w.clientBits != 0 {
		p.clientBits = min(p.clientBits, w.clientBits)
	}
	held := contexts(p, false)
	if !d.reserve(held) {
		// Our own direction needs nobody's leave; the server's was offered.
		p.clientTakeover = false
		held = contexts(p, false)
		d.used.Add(held)
	}
	return newCodec(d, p, false, held), nil
}
