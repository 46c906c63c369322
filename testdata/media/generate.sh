#!/bin/sh
# Makes the samples of this folder anew; needs ffmpeg with the encoders named below.
set -e
cd "$(dirname "$0")"
V="-f lavfi -i testsrc2=size=128x96:rate=15:duration=1 -pix_fmt yuv420p"
F="ffmpeg -v error -y -bitexact"
$F $V -c:v libx264 -preset medium -b:v 60k -g 8 -bf 0 -threads 1 -f h264 x264.h264
$F $V -c:v libx264 -preset medium -b:v 60k -g 8 -bf 0 -threads 1 -x264-params slices=3:aud=1 -profile:v baseline -f h264 x264_slices_aud.h264
$F $V -c:v libx265 -preset fast -b:v 60k -g 8 -x265-params log-level=error:bframes=0:pools=1 -f hevc x265.h265
$F $V -c:v libvpx -b:v 60k -g 8 -auto-alt-ref 0 -f ivf vp8.ivf
$F $V -c:v libvpx-vp9 -b:v 60k -g 8 -cpu-used 8 -deadline realtime -f ivf vp9.ivf
$F $V -c:v libvpx-vp9 -b:v 60k -g 12 -auto-alt-ref 1 -lag-in-frames 8 -cpu-used 5 -f ivf vp9_altref.ivf
$F $V -c:v libaom-av1 -b:v 60k -g 8 -cpu-used 8 -usage realtime -f ivf av1_aom_realtime.ivf
$F $V -c:v libaom-av1 -b:v 60k -g 12 -cpu-used 6 -lag-in-frames 8 -f ivf av1_aom.ivf
SVT_LOG=1 $F $V -c:v libsvtav1 -b:v 60k -g 8 -preset 10 -f ivf av1_svt.ivf
$F $V -c:v librav1e -b:v 60k -g 8 -speed 10 -f ivf av1_rav1e.ivf
$F -f lavfi -i sine=frequency=440:duration=1.2:sample_rate=48000 -c:a libopus -b:a 24k -f ogg opus.ogg
$F -f lavfi -i sine=frequency=440:duration=1:sample_rate=48000 -ac 2 -c:a libopus -b:a 64k -frame_duration 60 -f ogg opus_60ms_stereo.ogg
