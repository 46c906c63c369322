package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/pion/webrtc/v4"
)

const burstSize = 1000

type message struct {
	text bool
	data []byte
}

func makeMessage(number, size int, text bool) message {
	data := make([]byte, size)
	for i := range data {
		if text {
			data[i] = 'a' + byte((number+i)%26)
		} else {
			data[i] = byte(number + i)
		}
	}
	return message{text: text, data: data}
}

// Case "data": one channel, every message comes back.
type dataCase struct {
	*endpoint
	mutex    sync.Mutex
	channel  *webrtc.DataChannel
	messages []message
	oneByOne int // so many of messages, the rest at once
	sent     int
	received int
	bytes    int
	over     bool
}

func startData(c *context) (runningCase, error) {
	e, err := newEndpoint(c.lines, 0, nil, webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	d := &dataCase{endpoint: e}
	if c.options.offerer() {
		return d, d.open(c.options)
	}
	e.pc.OnDataChannel(d.answer)
	return d, nil
}

func (d *dataCase) plan(o options) {
	for _, field := range strings.Split(o.text("sizes", "1,1000"), ",") {
		size, err := strconv.Atoi(field)
		if err != nil {
			refuse("--sizes wants numbers, not %s", field)
		}
		for _, text := range []bool{true, false} {
			d.messages = append(d.messages, makeMessage(len(d.messages), size, text))
		}
	}
	d.oneByOne = len(d.messages)
	for range o.number("burst", 0) {
		d.messages = append(d.messages, makeMessage(len(d.messages), burstSize, false))
	}
}

func (d *dataCase) open(o options) error {
	d.plan(o)
	ordered, protocol := o.number("ordered", 1) != 0, o.text("protocol", "")
	init := &webrtc.DataChannelInit{Ordered: &ordered, Protocol: &protocol}
	if limit := o.number("max-packet-life-time", -1); limit >= 0 {
		lifetime := uint16(limit)
		init.MaxPacketLifeTime = &lifetime
	}
	if limit := o.number("max-retransmits", -1); limit >= 0 {
		retransmits := uint16(limit)
		init.MaxRetransmits = &retransmits
	}
	channel, err := d.pc.CreateDataChannel(o.text("label", "echo"), init)
	if err != nil {
		return err
	}
	d.channel = channel
	channel.OnOpen(func() {
		d.lines.event("open")
		d.mutex.Lock()
		defer d.mutex.Unlock()
		d.sendMore()
	})
	channel.OnMessage(d.check)
	channel.OnClose(func() {
		d.mutex.Lock()
		defer d.mutex.Unlock()
		if !d.over {
			d.lines.error("the channel was closed before the last message came back")
		}
	})
	d.offer()
	return nil
}

// sendMore sends the next message, or all that are left once the first oneByOne have come back.
func (d *dataCase) sendMore() {
	for d.sent < len(d.messages) {
		d.sent++
		d.send(d.messages[d.sent-1])
		if d.sent <= d.oneByOne {
			return
		}
	}
}

func (d *dataCase) send(m message) {
	var err error
	if m.text {
		err = d.channel.SendText(string(m.data))
	} else {
		err = d.channel.Send(m.data)
	}
	if err != nil {
		d.fail("a message could not be sent", err)
	}
}

func (d *dataCase) check(m webrtc.DataChannelMessage) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.received == d.sent {
		d.lines.error("a message came that was not sent")
		return
	}
	expected := d.messages[d.received]
	if m.IsString != expected.text || !bytes.Equal(m.Data, expected.data) {
		d.lines.error(fmt.Sprintf("message %d of %d bytes came back as another of %d", d.received, len(expected.data), len(m.Data)))
		return
	}
	d.received++
	d.bytes += len(m.Data)
	if d.received == len(d.messages) {
		d.finish()
	} else if d.received == d.sent {
		d.sendMore()
	}
}

func (d *dataCase) finish() {
	d.over = true
	d.lines.result(object{"messages": d.received, "bytes": d.bytes})
	if err := d.channel.Close(); err != nil {
		d.fail("the channel could not be closed", err)
	}
}

func (d *dataCase) answer(channel *webrtc.DataChannel) {
	d.channel = channel
	channel.OnOpen(func() { d.lines.event("open") })
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		d.received++
		d.bytes += len(m.Data)
		d.send(message{text: m.IsString, data: m.Data})
	})
	channel.OnClose(func() {
		d.lines.result(object{
			"messages": d.received, "bytes": d.bytes, "label": channel.Label(), "protocol": channel.Protocol(),
			"ordered": channel.Ordered(), "maxRetransmits": channel.MaxRetransmits(),
		})
	})
}
