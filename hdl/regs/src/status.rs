//! How a command ended.

/// Declares the status codes with the sentence that people read.
macro_rules! statuses {
    ($( $code:literal $name:ident $text:literal; )+) => {
        /// Result of one command, in its completion entry; the same codes, in the status
        /// register, say why a device stopped with a fatal error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Status { $( #[doc = $text] $name = $code ),+ }

        impl Status {
            /// Every status with its code.
            pub const ALL: &'static [Status] = &[ $( Status::$name ),+ ];

            /// What it means, in a sentence.
            pub const fn description(self) -> &'static str {
                match self { $( Status::$name => $text ),+ }
            }

            /// The name as in the documentation.
            pub const fn name(self) -> &'static str {
                match self { $( Status::$name => stringify!($name) ),+ }
            }

            /// The status with this code, if there is one.
            pub const fn from_code(code: u8) -> Option<Status> {
                match code { $( $code => Some(Status::$name), )+ _ => None }
            }
        }
    };
}

statuses! {
    0 Success "the command was carried out";
    1 InvalidOpcode "the entry's opcode is unknown";
    2 InvalidField "a reserved field or an unknown flag is not zero";
    3 InvalidSlot "the slot does not exist";
    4 SlotEmpty "no model is resident in the slot";
    5 InvalidRows "the number of rows is zero or above the limit";
    6 Misaligned "an address or a stride is not a multiple of its alignment";
    7 RegionTooLarge "a region of the model does not fit the device's memory";
    8 RegionOverlap "a region of the model overlaps that of the other slot";
    9 DmaReadError "reading host memory failed: the address is not mapped, or the link reported an error";
    10 DmaWriteError "writing host memory failed: the address is not mapped, or the link reported an error";
    11 InvalidInstruction "the program holds an instruction that this device does not have, or one with an impossible field";
    12 InstructionBounds "an instruction reaches beyond its memory or its model's regions";
    13 ProgramOverrun "the program ran past its last instruction without an end";
    14 InvalidDoorbell "a doorbell was written with an index beyond the ring";
    15 InvalidQueue "the queue was enabled with an impossible size or a misaligned base";
}

impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.name(), self.description())
    }
}
