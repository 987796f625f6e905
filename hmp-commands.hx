# The commands of the human monitor.  scripts/hmp.py makes the table of them (and the reference page).
#
# One block for each: `command NAME[|ALIAS]`, then indented
#     args      NAME:TYPE with commas between; the types are listed in monitor/hmp-int.h
#     params    how the arguments are shown
#     help      what `help` says; \n and \t as in C
#     body      the function is hmp_BODY; a program without it does not have the command
#     needs     so does a program without this function (a QMP command)
#     complete  hmp_complete_COMPLETE for Tab, where the argument types do not tell enough
#     table     the argument is a command of that table
#     doc       more, for the reference page
#
# SPDX-License-Identifier: GPL-2.0-or-later

command announce_self
    args    interfaces:s?,id:s?
    params  [interfaces] [id]
    help    Trigger GARP/RARP announcements
    body    announce_self

command balloon
    args    value:M
    params  target
    help    request VM to change its memory allocation (in MB)
    body    balloon

command block_job_cancel
    args    force:-f,device:B
    params  [-f] device
    help    stop an active background block operation (use -f\n\t\t\t if you want to abort the operation immediately\n\t\t\t instead of keep running until data is in sync)
    body    block_job_cancel
    needs   qmp_block_job_cancel

command block_job_complete
    args    device:B
    params  device
    help    stop an active background block operation
    body    block_job_complete
    needs   qmp_block_job_complete

command block_job_pause
    args    device:B
    params  device
    help    pause an active background block operation
    body    block_job_pause
    needs   qmp_block_job_pause

command block_job_resume
    args    device:B
    params  device
    help    resume a paused background block operation
    body    block_job_resume
    needs   qmp_block_job_resume

command block_job_set_speed
    args    device:B,speed:o
    params  device speed
    help    set maximum speed for a background block operation
    body    block_job_set_speed
    needs   qmp_block_job_set_speed

command block_resize
    args    device:B,size:o
    params  device size
    help    resize a block image
    body    block_resize
    needs   qmp_block_resize

command block_set_io_throttle
    args    device:B,bps:l,bps_rd:l,bps_wr:l,iops:l,iops_rd:l,iops_wr:l
    params  device bps bps_rd bps_wr iops iops_rd iops_wr
    help    change I/O throttle limits for a block drive
    body    block_set_io_throttle
    needs   qmp_block_set_io_throttle

command block_stream
    args    device:B,speed:o?,base:s?
    params  device [speed [base]]
    help    copy data from a backing file into a block device
    body    block_stream
    needs   qmp_block_stream

command boot_set
    args    bootdevice:s
    params  bootdevice
    help    define new values for the boot device list
    body    boot_set

command calc_dirty_rate
    args    dirty_ring:-r,dirty_bitmap:-b,second:l,sample_pages_per_GB:l?
    params  [-r] [-b] second [sample_pages_per_GB]
    help    start a round of guest dirty rate measurement (using -r to\n\t\t\t specify dirty ring as the method of calculation and\n\t\t\t -b to specify dirty bitmap as method of calculation)
    body    calc_dirty_rate
    needs   qmp_calc_dirty_rate

command cancel_vcpu_dirty_limit
    args    cpu_index:l?
    params  [cpu_index]
    help    cancel dirty page rate limit, use cpu_index to cancel\n\t\t\t\t\t limit on a specified virtual cpu
    body    cancel_vcpu_dirty_limit

command change
    args    device:B,force:-f,target:F,arg:s?,read-only-mode:s?
    params  device [-f] filename [format [read-only-mode]]
    help    change a removable medium, optional format, use -f to force the operation
    body    change
    needs   qmp_blockdev_change_medium

command chardev-add
    args    args:s
    params  args
    help    add chardev
    body    chardev_add
    needs   qmp_chardev_add
    complete chardev_kind

command chardev-change
    args    id:s,args:s
    params  id args
    help    change chardev
    body    chardev_change

command chardev-remove
    args    id:s
    params  id
    help    remove chardev
    body    chardev_remove
    complete chardev

command chardev-send-break
    args    id:s
    params  id
    help    send a break on chardev
    body    chardev_send_break
    complete chardev

command client_migrate_info
    args    protocol:s,hostname:s,port:i?,tls-port:i?,cert-subject:s?
    params  protocol hostname port tls-port cert-subject
    help    set migration information for remote display
    body    client_migrate_info

command closefd
    args    fdname:s
    params  closefd name
    help    close a file descriptor previously passed via SCM rights
    body    closefd
    needs   qmp_closefd

command commit
    args    device:B
    params  device|all
    help    commit changes to the disk images (if -snapshot is used) or backing files
    body    commit

command cont|c
    help    resume emulation
    body    cont
    needs   qmp_cont

command cpu
    args    index:i
    params  index
    help    set the default CPU
    body    cpu

command delvm
    args    name:s
    params  tag
    help    delete a VM snapshot from its tag
    body    delvm
    complete snapshot

command device_add
    args    device:O
    params  driver[,prop=value][,...]
    help    add device, like -device on the command line
    body    device_add
    complete device_add

command device_del
    args    id:s
    params  device
    help    remove device
    body    device_del
    complete device_del

command drive_add
    args    node:-n,pci_addr:s,opts:s
    params  [-n] [[<domain>:]<bus>:]<slot>\n[file=file][,if=type][,bus=n]\n[,unit=m][,media=d][,index=i]\n[,snapshot=on|off][,cache=on|off]\n[,readonly=on|off][,copy-on-read=on|off]
    help    add drive to PCI storage controller
    body    drive_add

command drive_backup
    args    reuse:-n,full:-f,compress:-c,device:B,target:s,format:s?
    params  [-n] [-f] [-c] device target [format]
    help    initiates a point-in-time\n\t\t\tcopy for a device. The device's contents are\n\t\t\tcopied to the new image file, excluding data that\n\t\t\tis written after the command is started.\n\t\t\tThe -n flag requests QEMU to reuse the image found\n\t\t\tin new-image-file, instead of recreating it from scratch.\n\t\t\tThe -f flag requests QEMU to copy the whole disk,\n\t\t\tso that the result does not need a backing file.\n\t\t\tThe -c flag requests QEMU to compress backup data\n\t\t\t(if the target format supports it).\n\t\t\t
    body    drive_backup
    needs   qmp_drive_backup

command drive_del
    args    id:B
    params  device
    help    remove host block device
    body    drive_del

command drive_mirror
    args    reuse:-n,full:-f,device:B,target:s,format:s?
    params  [-n] [-f] device target [format]
    help    initiates live storage\n\t\t\tmigration for a device. The device's contents are\n\t\t\tcopied to the new image file, including data that\n\t\t\tis written after the command is started.\n\t\t\tThe -n flag requests QEMU to reuse the image found\n\t\t\tin new-image-file, instead of recreating it from scratch.\n\t\t\tThe -f flag requests QEMU to copy the whole disk,\n\t\t\tso that the result does not need a backing file.\n\t\t\t
    body    drive_mirror
    needs   qmp_drive_mirror

command dump-guest-memory
    args    paging:-p,detach:-d,windmp:-w,zlib:-z,lzo:-l,snappy:-s,filename:F,begin:l?,length:l?
    params  [-p] [-d] [-z|-l|-s|-w] filename [begin length]
    help    dump guest memory into file 'filename'.\n\t\t\t-p: do paging to get guest's memory mapping.\n\t\t\t-d: return immediately (do not wait for completion).\n\t\t\t-z: dump in kdump-compressed format, with zlib compression.\n\t\t\t-l: dump in kdump-compressed format, with lzo compression.\n\t\t\t-s: dump in kdump-compressed format, with snappy compression.\n\t\t\t-w: dump in Windows crashdump format (can be used instead of ELF-dump converting),\n\t\t\t    for Windows x86 and x64 guests with vmcoreinfo driver only.\n\t\t\tbegin: the starting physical address.\n\t\t\tlength: the memory size, in bytes.
    body    dump_guest_memory

command dumpdtb
    args    filename:F
    params  filename
    help    dump the FDT in dtb format to 'filename'
    body    dumpdtb

command eject
    args    force:-f,device:B
    params  [-f] device
    help    eject a removable medium (use -f to force it)
    body    eject
    needs   qmp_eject

command exit_preconfig
    help    exit the preconfig state
    body    exit_preconfig
    needs   qmp_x_exit_preconfig

command expire_password
    args    protocol:s,time:s,display:-ds
    params  protocol time [-d display]
    help    set spice/vnc password expire-time
    body    expire_password

command gdbserver
    args    device:s?
    params  [device]
    help    start gdbserver on given device (default 'tcp::1234'), stop with 'none'
    body    gdbserver

command getfd
    args    fdname:s
    params  getfd name
    help    receive a file descriptor via SCM rights and assign it a name
    body    getfd
    needs   qmp_getfd

command gpa2hpa
    args    addr:l
    params  addr
    help    print the host physical address corresponding to a guest physical address
    body    gpa2hpa

command gpa2hva
    args    addr:l
    params  addr
    help    print the host virtual address corresponding to a guest physical address
    body    gpa2hva

command gva2gpa
    args    addr:l
    params  addr
    help    print the guest physical address corresponding to a guest virtual address
    body    gva2gpa

command help|?
    args    name:S?
    params  [cmd]
    help    show the help
    body    help

command hostfwd_add
    args    arg1:s,arg2:s?
    params  [netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport
    help    redirect TCP or UDP connections from host to guest (requires -net user)
    body    hostfwd_add

command hostfwd_remove
    args    arg1:s,arg2:s?
    params  [netdev_id] [tcp|udp]:[hostaddr]:hostport
    help    remove host-to-guest TCP or UDP redirection
    body    hostfwd_remove

command i
    args    fmt:/,addr:i
    params  /fmt addr
    help    I/O port read
    body    i

command info
    args    item:s?
    params  [subcommand]
    help    show various information about the system state
    table   info
    body    info

command loadvm
    args    name:s
    params  tag
    help    restore a VM snapshot from its tag
    body    loadvm
    complete snapshot

command log
    args    items:s
    params  item1[,...]
    help    activate logging of the specified items
    body    log

command logfile
    args    filename:F
    params  filename
    help    output logs to 'filename'
    body    logfile

command mce
    args    broadcast:-b,cpu_index:i,bank:i,status:l,mcg_status:l,addr:l,misc:l
    params  [-b] cpu bank status mcgstatus addr misc
    help    inject a MCE on the given CPU [and broadcast to other CPUs with -b option]
    body    mce

command memsave
    args    val:l,size:i,filename:s
    params  addr size file
    help    save to disk virtual memory dump starting at 'addr' of size 'size'
    body    memsave
    needs   qmp_memsave

command migrate
    args    detach:-d,blk:-b,inc:-i,resume:-r,uri:s
    params  [-d] [-b] [-i] [-r] uri
    help    migrate to URI (using -d to not wait for completion)\n\t\t\t -b for migration without shared storage with full copy of disk\n\t\t\t -i for migration without shared storage with incremental copy of disk (base image shared between src and destination)\n\t\t\t -r to resume a paused migration
    body    migrate

command migrate_cancel
    help    cancel the current VM migration
    body    migrate_cancel

command migrate_continue
    args    state:s
    params  state
    help    Continue migration from the given paused state
    body    migrate_continue

command migrate_incoming
    args    uri:s
    params  uri
    help    Continue an incoming migration from an -incoming defer
    body    migrate_incoming

command migrate_pause
    help    Pause an ongoing migration (postcopy-only)
    body    migrate_pause

command migrate_recover
    args    uri:s
    params  uri
    help    Continue a paused incoming postcopy migration
    body    migrate_recover

command migrate_set_capability
    args    capability:s,state:b
    params  capability state
    help    Enable/Disable the usage of a capability for migration
    body    migrate_set_capability

command migrate_set_parameter
    args    parameter:s,value:s
    params  parameter value
    help    Set the parameter for migration
    body    migrate_set_parameter

command migrate_start_postcopy
    help    Followup to a migration command to switch the migration to postcopy mode. The postcopy-ram capability must be set on both source and destination before the original migration command .
    body    migrate_start_postcopy

command mouse_button
    args    button_state:i
    params  state
    help    change mouse button state (1=L, 2=M, 4=R)
    body    mouse_button
    needs   input_sync

command mouse_move
    args    dx_str:s,dy_str:s,dz_str:s?
    params  dx dy [dz]
    help    send mouse move events
    body    mouse_move
    needs   input_sync

command mouse_set
    args    index:i
    params  index
    help    set which mouse device receives events
    body    mouse_set

command nbd_server_add
    args    writable:-w,device:B,name:s?
    params  nbd_server_add [-w] device [name]
    help    export a block device via NBD
    body    nbd_server_add
    needs   qmp_nbd_server_add

command nbd_server_remove
    args    force:-f,name:s
    params  nbd_server_remove [-f] name
    help    remove an export previously exposed via NBD
    body    nbd_server_remove
    needs   qmp_nbd_server_remove

command nbd_server_start
    args    all:-a,writable:-w,uri:s
    params  nbd_server_start [-a] [-w] host:port
    help    serve block devices on the given host and port
    body    nbd_server_start
    needs   qmp_nbd_server_start

command nbd_server_stop
    params  nbd_server_stop
    help    stop serving block devices using the NBD protocol
    body    nbd_server_stop
    needs   qmp_nbd_server_stop

command netdev_add
    args    netdev:O
    params  [user|tap|socket|stream|dgram|vde|bridge|hubport|netmap|vhost-user],id=str[,prop=value][,...]
    help    add host network device
    body    netdev_add

command netdev_del
    args    id:s
    params  id
    help    remove host network device
    body    netdev_del

command nmi
    help    inject an NMI
    body    nmi
    needs   qmp_inject_nmi

command o
    args    fmt:/,addr:i,val:i
    params  /fmt addr value
    help    I/O port write
    body    o

command object_add
    args    object:S
    params  [qom-type=]type,id=str[,prop=value][,...]
    help    create QOM object
    body    object_add
    complete object_add

command object_del
    args    id:s
    params  id
    help    destroy QOM object
    body    object_del
    needs   qmp_object_del
    complete object_del

command pcie_aer_inject_error
    args    advisory_non_fatal:-a,correctable:-c,id:s,error_status:s,header0:i?,header1:i?,header2:i?,header3:i?,prefix0:i?,prefix1:i?,prefix2:i?,prefix3:i?
    params  [-a] [-c] id <error_status> [<tlp header> [<tlp header prefix>]]
    help    inject pcie aer error\n\t\t\t -a for advisory non fatal error\n\t\t\t -c for correctable error\n\t\t\t<id> = qdev device id\n\t\t\t<error_status> = error string or 32bit\n\t\t\t<tlp header> = 32bit x 4\n\t\t\t<tlp header prefix> = 32bit x 4
    body    pcie_aer_inject_error

command pmemsave
    args    val:l,size:i,filename:s
    params  addr size file
    help    save to disk physical memory dump starting at 'addr' of size 'size'
    body    pmemsave
    needs   qmp_pmemsave

command print|p
    args    fmt:/,val:l
    params  /fmt expr
    help    print expression value (use $reg for CPU register access)
    body    print

command qemu-io
    args    qdev:-d,device:B,command:s
    params  [-d] [device] "[command]"
    help    run a qemu-io command on a block device\n\t\t\t-d: [device] is a device ID rather than a drive ID or node name
    body    qemu_io

command qom-get
    args    path:s,property:s
    params  path property
    help    print QOM property
    body    qom_get
    needs   qmp_qom_get

command qom-list
    args    path:s?
    params  path
    help    list QOM properties
    body    qom_list
    needs   qmp_qom_list

command qom-set
    args    json:-j,path:s,property:s,value:S
    params  [-j] path property value
    help    set QOM property.\n\t\t\t-j: the value is specified in json format.
    body    qom_set

command quit|q
    help    quit the emulator
    body    quit
    needs   qmp_quit

command replay_break
    args    icount:l
    params  icount
    help    set breakpoint at the specified instruction count
    body    replay_break

command replay_delete_break
    help    remove replay breakpoint
    body    replay_delete_break

command replay_seek
    args    icount:l
    params  icount
    help    replay execution to the specified instruction count
    body    replay_seek

command ringbuf_read
    args    device:s,size:i
    params  device size
    help    Read from a ring buffer character device
    body    ringbuf_read
    complete ringbuf

command ringbuf_write
    args    device:s,data:s
    params  device data
    help    Write to a ring buffer character device
    body    ringbuf_write
    complete ringbuf

command savevm
    args    name:s?
    params  tag
    help    save a VM snapshot. If no tag is provided, a new snapshot is created
    body    savevm

command screendump
    args    filename:F,format:-fs,device:s?,head:i?
    params  filename [-f format] [device [head]]
    help    save screen from head 'head' of display device 'device'in specified format 'format' as image 'filename'.Currently only 'png' and 'ppm' formats are supported.
    body    screendump

command sendkey
    args    keys:s,hold-time:i?
    params  keys [hold_ms]
    help    send keys to the VM (e.g. 'sendkey ctrl-alt-f1', default hold time=100 ms)
    body    sendkey
    needs   qmp_send_key

command set_link
    args    name:s,up:b
    params  name on|off
    help    change the link status of a network adapter
    body    set_link
    complete on_off_second

command set_password
    args    protocol:s,password:s,display:-ds,connected:s?
    params  protocol password [-d display] [action-if-connected]
    help    set spice/vnc password
    body    set_password

command set_vcpu_dirty_limit
    args    dirty_rate:l,cpu_index:l?
    params  dirty_rate [cpu_index]
    help    set dirty page rate limit, use cpu_index to set limit\n\t\t\t\t\t on a specified virtual cpu
    body    set_vcpu_dirty_limit

command singlestep
    args    option:s?
    params  [on|off]
    help    run emulation in singlestep mode or switch to normal mode
    body    singlestep

command snapshot_apply_blkdev_internal
    args    device:B,name:s,id:s?
    params  device name [id]
    help    make an internal snapshot the content of device again.\n\t\t\tIf id is specified, it has to fit as well.\n\t\t\tThe machine must be stopped.
    body    snapshot_apply_blkdev_internal
    needs   qmp_blockdev_snapshot_apply_internal_sync

command snapshot_blkdev
    args    reuse:-n,device:B,snapshot-file:s?,format:s?
    params  [-n] device [new-image-file] [format]
    help    initiates a live snapshot\n\t\t\tof device. If a new image file is specified, the\n\t\t\tnew image file will become the new root image.\n\t\t\tIf format is specified, the snapshot file will\n\t\t\tbe created in that format.\n\t\t\tThe default format is qcow2.  The -n flag requests QEMU\n\t\t\tto reuse the image found in new-image-file, instead of\n\t\t\trecreating it from scratch.
    body    snapshot_blkdev
    needs   qmp_blockdev_snapshot_sync

command snapshot_blkdev_internal
    args    device:B,name:s
    params  device name
    help    take an internal snapshot of device.\n\t\t\tThe format of the image used by device must\n\t\t\tsupport it, such as qcow2.\n\t\t\t
    body    snapshot_blkdev_internal
    needs   qmp_blockdev_snapshot_internal_sync

command snapshot_delete_blkdev_internal
    args    device:B,name:s,id:s?
    params  device name [id]
    help    delete an internal snapshot of device.\n\t\t\tIf id is specified, qemu will try delete\n\t\t\tthe snapshot matching both id and name.\n\t\t\tThe format of the image used by device must\n\t\t\tsupport it, such as qcow2.\n\t\t\t
    body    snapshot_delete_blkdev_internal
    needs   qmp_blockdev_snapshot_delete_internal_sync

command stopcapture
    args    n:i
    params  capture index
    help    stop capture
    body    stopcapture

command stop|s
    help    stop emulation
    body    stop
    needs   qmp_stop

command sum
    args    start:i,size:i
    params  addr size
    help    compute the checksum of a memory region
    body    sum

command sync-profile
    args    op:s?
    params  [on|off|reset]
    help    enable, disable or reset synchronization profiling. With no arguments, prints whether profiling is on or off.
    body    sync_profile

command system_powerdown
    help    send system power down event
    body    system_powerdown
    needs   qmp_system_powerdown

command system_reset
    help    reset the system
    body    system_reset
    needs   qmp_system_reset

command system_wakeup
    help    wakeup guest from suspend
    body    system_wakeup
    needs   qmp_system_wakeup

command trace-event
    args    name:s,option:b,vcpu:i?
    params  name on|off [vcpu]
    help    changes status of a specific trace event (vcpu: vCPU to set, default is all)
    body    trace_event
    complete trace_event

command watchdog_action
    args    action:s
    params  [reset|shutdown|poweroff|pause|debug|none]
    help    change watchdog action
    body    watchdog_action
    complete watchdog

command wavcapture
    args    path:F,audiodev:s,freq:i?,bits:i?,nchannels:i?
    params  path audiodev [frequency [bits [channels]]]
    help    capture audio to a wave file (default frequency=44100 bits=16 channels=2)
    body    wavcapture

command x
    args    fmt:/,addr:l
    params  /fmt addr
    help    virtual memory dump starting at 'addr'
    body    x

command x_colo_lost_heartbeat
    help    Tell COLO that heartbeat is lost,\n\t\t\ta failover or takeover is needed.
    body    x_colo_lost_heartbeat

command xp
    args    fmt:/,addr:l
    params  /fmt addr
    help    physical memory dump starting at 'addr'
    body    xp
