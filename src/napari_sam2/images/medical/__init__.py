"""Files of scanners and hospitals: DICOM, NIfTI, NRRD, MetaImage (extra ``medical``).

Messages of these modules name no file, folder or text of a file: these often have the name of a patient.
"""
